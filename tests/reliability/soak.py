"""`make soak`: everything that the tests here do a little of, in full, for SOAK_MINUTES (120 if not given).

By turns, runs of recipe debug that are killed at random moments and continued, compared with one that was not; and, in
this process, runs that meet a full disk at a random operation and go on, while its memory, its open files and what it
leaves are counted. Then, for the other half of the time at most, every damage, every file operation of every save and
thousands of hostile files, by pytest. The table of figures stands in SOAK_FIGURES (build/soak.md if not given) from the
first one on, and is written anew with each: a soak that is ended has said what it found. The exit code is 0 where
nothing was lost.
"""

import ctypes
import gc
import json
import os
import random
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from reverie.checkpoint import file_sha256
from reverie.cli.interrupt import kill_descendants
from reverie.cli.main import main as reverie
from tests.reliability.faults import Faults
from tests.reliability.sessions import kill_session, of_session

GROWTH = 100
"""kB a loop that memory may grow by: what a leak of one frame, or of one track, would be."""
WARM = 10
"""Loops before memory is looked at: caches fill."""
OUTLIVE_SECONDS = 10
LONGEST = ("test_damage",)
"""Files of tests that take the time which others leave."""
_SAME = ("rollouts/index.jsonl", "latents/meta.json", "vision.safetensors", "memory.safetensors", "dream.safetensors")
SAME = (*_SAME, "controller.safetensors")
"""Files that a run which was killed has bit for bit as one that was not."""
BAD = ("failed", "lost", "outlived their parent", "files more", "in /dev/shm more", "temporary files more")
"""Figures that must be 0."""

Figures = dict[str, float]


class Table:
    """The figures so far, on the disk."""

    def __init__(self, path: Path) -> None:
        self.parts: dict[str, Figures] = {}
        self._path, self._begun = path, time.monotonic()
        path.parent.mkdir(parents=True, exist_ok=True)

    @property
    def is_good(self) -> bool:
        """Whether something was tried, nothing was lost, and nothing is left."""
        grown = max((part.get("kB a loop", 0) for part in self.parts.values()), default=0)
        bad = any(part.get(key, 0) > 0 for part in self.parts.values() for key in BAD)
        return bool(self.parts) and grown <= GROWTH and not bad

    def __str__(self) -> str:
        rows = [
            f"| {name} | {', '.join(f'{value:,} {key}' for key, value in part.items())} |"
            for name, part in self.parts.items()
        ]
        minutes = (time.monotonic() - self._begun) / 60
        end = "something was lost, or left" if self.parts else "nothing was tried"
        end = "nothing was lost, nothing is left" if self.is_good else end
        return "\n".join([f"| after {minutes:.0f} minutes | |", "|---|---|", *rows, "", end, ""])

    def note(self, name: str, figures: Figures) -> None:
        """Keeps the newest figures of a part."""
        self.parts[name] = figures
        new = self._path.with_name(self._path.name + ".new")
        new.write_text(str(self))
        new.replace(self._path)


def in_full(table: Table, until: float) -> None:
    """What the tests do in full, a file of them after the other, each for its share of the time at most."""
    files = sorted(Path("tests/reliability").glob("test_*.py"), key=lambda path: path.stem in LONGEST)
    for number, path in enumerate(files):
        _in_full(table, path, (until - time.monotonic()) / (len(files) - number))


def _in_full(table: Table, path: Path, seconds: float) -> None:
    words = [sys.executable, "-m", "pytest", "-n", "0", "-v", "--no-header", "-p", "no:cacheprovider", str(path)]
    figures: Figures = {"tests": 0, "passed": 0, "failed": 0}
    tests = subprocess.Popen(
        words,
        env={**os.environ, "REVERIE_SOAK": "1", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    end = threading.Timer(seconds, kill_session, (tests.pid,))
    end.start()
    assert tests.stdout is not None
    try:
        for line in tests.stdout:
            if found := re.search(r"collected (\d+) items", line):
                figures["tests"] = int(found[1])
            if found := re.search(r" (PASSED|FAILED|ERROR)\b", line):
                figures["passed" if found[1] == "PASSED" else "failed"] += 1
                table.note(f"{path.name} in full", figures)
            if not found or found[1] != "PASSED":
                print(line, end="", flush=True)
        tests.wait()
    finally:
        end.cancel()
        kill_session(tests.pid)


class Kills:
    """Runs that are killed at random moments, some of them several times, and go on."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._chance = folder, random.Random(0)
        self._references: dict[int, dict[str, Any]] = {}
        self._seconds = 0.0
        """Of a processor, that a run takes: a busy machine makes no difference."""
        self.figures: Figures = {"kills": 0, "runs": 0, "lost": 0, "outlived their parent": 0}

    def once(self) -> None:
        """One run."""
        figures = self.figures
        number = int(figures["runs"])
        seed, run = number % 4, self._folder / f"run{number}"
        if seed not in self._references:
            begun = _processor_seconds()
            whole = self._folder / f"whole{seed}"
            subprocess.run(command(whole, seed, 0), check=True, capture_output=True)
            self._seconds, self._references[seed] = _processor_seconds() - begun, made(whole)
        for _ in range(self._chance.randint(1, 8)):  # soon after each start, so that most come before the run is done
            alive = _kill_after(command(run, seed, 2), self._chance.uniform(0.15, 0.6) * self._seconds)
            figures["kills"] += alive is not None
            figures["outlived their parent"] += alive or 0
        done = subprocess.run(command(run, seed, 0), check=False, capture_output=True, text=True)
        lost = done.returncode != 0 or made(run) != self._references[seed]
        if lost:
            print(f"{run}: {done.stderr.strip()[-400:] or 'it is not what it would have been'}", flush=True)
        else:
            shutil.rmtree(run)
        figures["lost"] += lost
        figures["runs"] += 1


class FullDisks:
    """Runs in this process that meet a full disk at a random operation, and go on when there is room again."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._chance = folder, random.Random(0)
        self._faults = Faults("full", sys.maxsize)
        self._faults.install()
        self._reference: dict[str, Any] | None = None
        self._rows: list[dict[str, int]] = []
        self._refused = self._lost = 0

    def once(self) -> None:
        """One run."""
        run, faults = self._folder / f"loop{len(self._rows)}", self._faults
        faults.count, faults.number = 0, self._chance.randint(1, 400) if self._reference else sys.maxsize
        self._refused += reverie(command(run, 0, 0)[3:]) == 1
        faults.number = sys.maxsize
        code = reverie(command(run, 0, 0)[3:])
        lost = code != 0 or (self._reference is not None and made(run) != self._reference)
        if lost:
            print(f"{run}: it ended with {code}, or is not what it would have been", flush=True)
        self._lost += lost
        self._reference = self._reference or made(run)
        if not lost:
            shutil.rmtree(run)
        self._rows.append({"kB": _resident(), **_open_and_left()})

    @property
    def figures(self) -> Figures:
        """Growth is that since the first loop; of memory, a line through those after the first few."""
        rows = self._rows[WARM:]
        slope = statistics.linear_regression(range(len(rows)), [row["kB"] for row in rows]).slope if rows[1:] else 0
        first, last = self._rows[0], self._rows[-1]
        return {
            "loops": len(self._rows),
            "refused": self._refused,
            "lost": self._lost,
            **({"kB a loop": round(slope, 1)} if len(rows) > WARM else {}),
            **{f"{name} more": last[name] - first[name] for name in ("files", "in /dev/shm", "temporary files")},
        }


def made(run: Path) -> dict[str, Any]:
    """What a finished run came to."""
    returns = json.loads((run / "evaluation.json").read_text())["returns"]
    return {name: file_sha256(run / name) for name in SAME} | {"returns": returns}


def command(run: Path, seed: int, workers: int) -> list[str]:
    """Makes a run, or goes on with it."""
    words = ["train", "debug", "--run", str(run), "--set", f"seed={seed}", "--workers", str(workers), "--quiet"]
    return [sys.executable, "-m", "reverie", *words]


def _kill_after(words: Sequence[str], seconds: float) -> int | None:
    """Kills the command, in a session of its own, when it has taken so many seconds of a processor; gives how many of
    its processes outlive it by 10 s, or None where it was done before."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        while _taken(process.pid) < seconds:
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
                return None
        process.kill()
        process.wait()
        end = time.monotonic() + OUTLIVE_SECONDS
        while (left := of_session(process.pid)) and time.monotonic() < end:
            time.sleep(0.1)
        return len(left)
    finally:
        kill_session(process.pid)


def _processor_seconds() -> float:
    """That ended children of this process have taken."""
    took = resource.getrusage(resource.RUSAGE_CHILDREN)
    return took.ru_utime + took.ru_stime


def _taken(session: int) -> float:
    """Seconds of a processor that the living processes of a session have taken."""
    ticks = 0
    for pid in of_session(session):
        with suppress(OSError):
            ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _resident() -> int:
    """kB of memory, without what the C library keeps for later: how full its pages are is luck."""
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def _open_and_left() -> dict[str, int]:
    """Open files, and entries where shared memory and temporary files are."""
    places = {"files": "/proc/self/fd", "in /dev/shm": "/dev/shm", "temporary files": tempfile.gettempdir()}
    return {name: len([*Path(place).iterdir()]) for name, place in places.items()}


def main() -> int:
    """Prints the figures; 0 where nothing was lost."""
    seconds, begun = 60 * float(os.environ.get("SOAK_MINUTES", "120")), time.monotonic()
    table = Table(Path(os.environ.get("SOAK_FIGURES", "build/soak.md")))
    with tempfile.TemporaryDirectory(prefix="soak") as folder:

        def end(*_: object) -> None:
            """Wherever it is, also in a library that swallows exceptions."""
            print(f"{table}\nended before its time", flush=True)
            kill_descendants()
            shutil.rmtree(folder, ignore_errors=True)
            os._exit(1)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        tempfile.tempdir = os.environ["TMPDIR"] = str(Path(folder) / "tmp")
        Path(tempfile.tempdir).mkdir()
        parts = {
            "killed at random moments": Kills(Path(folder)),
            "full disks in one process": FullDisks(Path(folder)),
        }
        while time.monotonic() < begun + seconds / 2:
            for name, part in parts.items():
                part.once()
                table.note(name, part.figures)
        in_full(table, begun + seconds)
    print(table)
    return int(not table.is_good)


if __name__ == "__main__":
    sys.exit(main())
