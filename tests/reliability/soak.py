"""`make soak`: everything that the tests here do a little of, in full, and by amount: it ends when all is done.

First SOAK_KILLS (200 if not given) kills at random moments, as kills.py says; then, in this process, runs that meet a
full disk at a random operation and go on, while its memory, its open files and what it leaves are counted; then, by
pytest, every damage, every file operation of every save and thousands of hostile files. SOAK_MINUTES (120 if not given)
are a limit: what it leaves undone is said, and is a failure. The table of figures stands in SOAK_FIGURES (build/soak.md
if not given) from the first one on, and is written anew with each: a soak that is ended has said what it found. The
exit code is 0 where all was done and nothing was lost.
"""

import ctypes
import gc
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reverie.cli.interrupt import kill_descendants
from reverie.cli.main import main as reverie
from tests.reliability.faults import Faults
from tests.reliability.runs import arguments, made
from tests.reliability.sessions import kill_session

LOOPS = 30
"""Runs that meet a full disk."""
GROWTH = 100
"""kB a loop that memory may grow by: what a leak of one frame, or of one track, would be."""
WARM = 10
"""Loops before memory is looked at: caches fill."""
HANGS = 300
"""Seconds that a run may take longer than there are."""
LONGEST = ("test_saves", "test_hostile", "test_damage")
"""Files of tests that take the time which others leave."""
BAD = ("failed", "lost", "outlived their parent", "files more", "in /dev/shm more", "temporary files more")
"""Figures that must be 0."""

Figures = dict[str, float]


class Table:
    """The figures so far, on the disk."""

    def __init__(self, path: Path) -> None:
        self.parts: dict[str, Figures] = {}
        self.undone: list[str] = []
        """Parts that there was no time left for."""
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
        end = "nothing was lost, nothing is left" if self.is_good else "something was lost, or left"
        missing = f"the time was over before all was done, without {', '.join(self.undone)}; " if self.undone else ""
        return "\n".join([f"| after {minutes:.0f} minutes | |", "|---|---|", *rows, "", missing + end, ""])

    def note(self, name: str, figures: Figures) -> None:
        """Keeps the newest figures of a part."""
        self.parts[name] = figures
        new = self._path.with_name(self._path.name + ".new")
        new.write_text(str(self))
        new.replace(self._path)


@contextmanager
def started(words: Sequence[str], seconds: float, **environment: str) -> Iterator[Iterator[str]]:
    """The lines that a Python program says, which ends, with all that it has started, after so many seconds."""
    program = subprocess.Popen(
        [sys.executable, *words],
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    end = threading.Timer(seconds, kill_session, (program.pid,))
    end.start()
    assert program.stdout is not None
    try:
        yield iter(program.stdout)
        program.wait()
    finally:
        end.cancel()
        kill_session(program.pid)


def killed(table: Table, folder: Path, seconds: float) -> None:
    """Runs that are killed, by a process of their own."""
    least = int(os.environ.get("SOAK_KILLS", "200"))
    kills = 0
    words = ("-m", "tests.reliability.kills", str(folder), str(least), str(seconds))
    with started(words, seconds + HANGS) as lines:
        for line in lines:
            for name, figures in json.loads(line).items():
                table.note(name, figures)
            kills = table.parts["killed at random moments"]["kills"]
    if kills < least:
        table.undone.append(f"{least - kills:g} kills")


def full_disks(table: Table, folder: Path, seconds: float) -> None:
    """Runs in this process."""
    part, until = FullDisks(folder), time.monotonic() + seconds
    for number in range(LOOPS):
        if time.monotonic() > until:
            table.undone.append(f"{LOOPS - number} full disks")
            break
        part.once()
        table.note("full disks in one process", part.figures)


def in_full(table: Table, until: float) -> None:
    """What the tests do in full, a file of them after the other, each for its share of the time at most."""
    files = sorted(Path("tests/reliability").glob("test_*.py"), key=lambda path: (path.stem in LONGEST, path.stem))
    for number, path in enumerate(files):
        _in_full(table, path, (until - time.monotonic()) / (len(files) - number))


def _in_full(table: Table, path: Path, seconds: float) -> None:
    figures: Figures = {"tests": 0, "passed": 0, "skipped": 0, "failed": 0}
    name, is_whole = f"{path.name} in full", False
    words = ("-m", "pytest", "-n", "0", "-v", "--no-header", "-p", "no:cacheprovider", str(path))
    with started(words, seconds, REVERIE_SOAK="1") as lines:
        for line in lines:
            if found := re.search(r"collected (\d+) items?", line):
                figures["tests"] = int(found[1])
            if found := re.search(r"\b(PASSED|SKIPPED|FAILED|ERROR) ", line):
                figures[{"PASSED": "passed", "SKIPPED": "skipped"}.get(found[1], "failed")] += 1
                table.note(name, figures)
            if not found or found[1] != "PASSED":
                print(line, end="", flush=True)
            if re.match(r"=+ .* in [\d.]+s", line):
                is_whole = True
                said = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", line)}
                figures |= {key: said.get(key, 0) for key in ("passed", "skipped")}
                figures["failed"] = said.get("failed", 0) + said.get("error", 0) + said.get("errors", 0)
                table.note(name, figures)
    if not is_whole:
        done = figures["passed"] + figures["skipped"] + figures["failed"]
        table.undone.append(f"{figures['tests'] - done:g} of {path.name}" if figures["tests"] else path.name)


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
        self._refused += reverie(arguments(run, 0, 0)) == 1
        faults.number = sys.maxsize
        code = reverie(arguments(run, 0, 0))
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
    """Prints the figures; 0 where all was done and nothing was lost."""
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
        until = begun + seconds
        for part in (killed, full_disks):
            part(table, Path(folder), (until - time.monotonic()) / 3)
        in_full(table, until)
    print(table)
    return int(not table.is_good or bool(table.undone))


if __name__ == "__main__":
    sys.exit(main())
