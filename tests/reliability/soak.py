"""`make soak`: everything that the tests here do a little of, in full, for SOAK_MINUTES (120 if not given).

First every damage, every file operation of every save and thousands of hostile files, by pytest; then runs of recipe
debug that are killed at random moments and continued, compared with one that was not; then, in one process, runs that
meet a full disk at a random operation and go on, while its memory, its open files and what it leaves are counted. The
figures are a table at the end; the exit code is 0 where nothing was lost.
"""

import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reverie.checkpoint import file_sha256
from reverie.cli.main import main as reverie
from tests.reliability.faults import Faults

NUM_KILLS = 200
"""In a soak of full length; a shorter one has as many as half of its time allows."""
GROWTH = 100
"""kB a loop that memory may grow by: what a leak of one frame, or of one track, would be."""
_SAME = ("rollouts/index.jsonl", "latents/meta.json", "vision.safetensors", "memory.safetensors", "dream.safetensors")
SAME = (*_SAME, "controller.safetensors")
"""Files that a run which was killed has bit for bit as one that was not."""


def made(run: Path) -> dict[str, Any]:
    """What a finished run came to."""
    returns = json.loads((run / "evaluation.json").read_text())["returns"]
    return {name: file_sha256(run / name) for name in SAME} | {"returns": returns}


def command(run: Path, seed: int, workers: int) -> list[str]:
    """Makes a run, or goes on with it."""
    words = ["train", "debug", "--run", str(run), "--set", f"seed={seed}", "--workers", str(workers), "--quiet"]
    return [sys.executable, "-m", "reverie", *words]


def kills(folder: Path, until: float, most: int) -> dict[str, int]:
    """Kills runs at random moments, some of them several times, and lets them go on."""
    chance = random.Random(0)
    found = {"kills": 0, "runs": 0, "lost": 0, "orphans": 0}
    references: dict[int, dict[str, Any]] = {}
    seconds = 10.0
    while found["kills"] < most and time.monotonic() < until:
        seed, run = found["runs"] % 4, folder / f"run{found['runs']}"
        if seed not in references:
            begun = time.monotonic()
            subprocess.run(command(folder / f"whole{seed}", seed, 0), check=True, capture_output=True)
            seconds, references[seed] = time.monotonic() - begun, made(folder / f"whole{seed}")
        for _ in range(chance.randint(1, 6)):
            found["kills"] += (
                alive := _kill_after(command(run, seed, 2), chance.uniform(0.3, 1) * seconds)
            ) is not None
            found["orphans"] += alive or 0
        done = subprocess.run(command(run, seed, 0), check=False, capture_output=True, text=True)
        lost = done.returncode != 0 or made(run) != references[seed]
        if lost:
            print(f"{run}: {done.stderr.strip()[-400:] or 'it is not what it would have been'}", flush=True)
        found["lost"] += lost
        found["runs"] += 1
    return found


def _kill_after(words: Sequence[str], seconds: float) -> int | None:
    """Kills the command, in a session of its own; gives how many of its processes outlive it by 10 s, or None where it
    was done before."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        end = time.monotonic() + 10
        while (left := _of_session(process.pid)) and time.monotonic() < end:
            time.sleep(0.1)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        return len(left)
    return None


def _of_session(session: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def loops(folder: Path, until: float, least: int = 6) -> dict[str, Any]:
    """Runs in this process that meet a full disk at a random operation, and go on when there is room again."""
    faults, chance = Faults("full", sys.maxsize), random.Random(0)
    faults.install()
    rows, refused, lost = list[dict[str, int]](), 0, 0
    reference: dict[str, Any] | None = None
    while time.monotonic() < until or len(rows) < least:
        run = folder / f"loop{len(rows)}"
        faults.count, faults.number = 0, chance.randint(1, 400) if reference else sys.maxsize
        code = reverie(command(run, 0, 0)[3:])
        refused += code == 1
        faults.number = sys.maxsize
        code = reverie(command(run, 0, 0)[3:])
        if code != 0 or (reference and made(run) != reference):
            lost += 1
        reference = reference or made(run)
        rows.append({"kB": _resident(), **_open_and_left()})
    half = rows[len(rows) // 2 :]
    slope = statistics.linear_regression(range(len(half)), [row["kB"] for row in half]).slope if len(half) > 1 else 0.0
    grown = {key: rows[-1][key] - rows[0][key] for key in ("files", "shm", "tmp")}
    return {"loops": len(rows), "refused": refused, "lost": lost, "kB a loop": round(slope, 1), **grown}


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def _open_and_left() -> dict[str, int]:
    """Open files, and entries where shared memory and temporary files are."""
    places = {"files": "/proc/self/fd", "shm": "/dev/shm", "tmp": tempfile.gettempdir()}
    return {name: len([*Path(place).iterdir()]) for name, place in places.items()}


def in_full() -> dict[str, Any]:
    """What the tests do in full: how many of them, and how many failed."""
    path = Path(tempfile.mkdtemp()) / "tests.xml"
    words = [sys.executable, "-m", "pytest", "-n", "0", "-q", f"--junitxml={path}", "tests/reliability"]
    subprocess.run(words, check=False, env={**os.environ, "REVERIE_SOAK": "1"})
    head = path.read_text().partition("<testsuite ")[2].partition(">")[0]
    numbers = {key: int(head.partition(f'{key}="')[2].partition('"')[0]) for key in ("tests", "failures", "errors")}
    return {"tests": numbers["tests"], "failed": numbers["failures"] + numbers["errors"]}


def main() -> int:
    """Prints the figures; 0 where nothing was lost."""
    minutes, begun = float(os.environ.get("SOAK_MINUTES", "120")), time.monotonic()
    found: dict[str, Mapping[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="soak") as folder:
        tempfile.tempdir = os.environ["TMPDIR"] = str(Path(folder) / "tmp")
        Path(tempfile.tempdir).mkdir()
        if minutes >= 30:  # all pairs take longer than that by themselves
            found["tests in full"] = in_full()
        left = begun + 60 * minutes - time.monotonic()
        found["killed at random moments"] = kills(Path(folder), time.monotonic() + left / 2, NUM_KILLS)
        found["full disks in one process"] = loops(Path(folder), begun + 60 * minutes)
    for part, figures in found.items():
        print(f"| {part} | {', '.join(f'{value} {key}' for key, value in figures.items())} |")
    bad = ("failed", "lost", "orphans", "files", "shm", "tmp")
    broken = any(figures.get(key, 0) > 0 for figures in found.values() for key in bad)
    leaks = found["full disks in one process"]["kB a loop"] > GROWTH
    print("something was lost, or left" if broken or leaks else "nothing was lost, nothing is left")
    return int(broken or leaks)


if __name__ == "__main__":
    sys.exit(main())
