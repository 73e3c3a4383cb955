"""How fast a thing is against its alternative: in turns on the same cores, so that neither gets the better machine.

The other side lives in `bench/peers.py` and knows nothing of us; our side is in `contestants`.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import reverie
from reverie.errors import UserError
from reverie.metrics import Progress

Round = Callable[[float], float]
"""Works for so many seconds, and gives units per second."""


def race(
    contestants: Mapping[str, Round], *, rounds: int, seconds: float, unit: str, quiet: bool = False
) -> dict[str, tuple[float, ...]]:
    """`rounds` times each contestant in turn, `seconds` long, after a short turn for each that does not count.

    Gives each one's rate in each round.
    """
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for warm_up in contestants.values():
        warm_up(min(1.0, seconds))
    with Progress("bench", rounds * len(contestants), "turns", quiet=quiet) as bar:
        for _ in range(rounds):
            for name, contestant in contestants.items():
                rates[name].append(contestant(seconds))
                bar.advance(1, last=name, rate=f"{rates[name][-1]:.0f} {unit}")
    return {name: tuple(values) for name, values in rates.items()}


@contextmanager
def one_core() -> Iterator[None]:
    """Holds this process on the first of its cores, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class MissingPeerError(Exception):
    """A peer that is not installed; the message says how to install it."""


class Peer:
    """A contestant of `bench/peers.py` in a process of its own, idle between its turns."""

    def __init__(self, name: str) -> None:
        """Starts it on the cores that this process may use now. Raises MissingPeerError."""
        command = [sys.executable, str(_peers()), name]
        self._command = " ".join(command)
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            self(0.0)
        except (MissingPeerError, UserError):
            self.close()
            raise

    def __call__(self, seconds: float) -> float:
        """One turn: units per second."""
        process = self._process
        assert process.stdin
        assert process.stdout
        process.stdin.write(f"{seconds}\n")
        process.stdin.flush()
        answer = process.stdout.readline().strip()
        if answer.startswith("missing: "):
            raise MissingPeerError(answer.removeprefix("missing: "))
        if not answer:
            raise UserError(f"{self._command} ended in the middle of the benchmark: run it by itself to see why")
        return float(answer)

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()


def _peers() -> Path:
    """The program with the other side: in a checkout, or where the package is installed."""
    package = Path(reverie.__file__).parent
    found = [path for folder in (package, package.parents[1]) if (path := folder / "bench" / "peers.py").is_file()]
    if not found:
        raise UserError("bench/peers.py is missing: run the benchmark from a checkout of the repository")
    return found[0]


class Clock:
    """Counts units while it runs; new tracks are made while it is stopped, for both sides alike."""

    def start(self, seconds: float) -> None:
        self._seconds, self.units, self._paused = seconds, 0, 0.0
        self._start = time.perf_counter()

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self._start - self._paused

    @property
    def running(self) -> bool:
        return self.elapsed < self._seconds

    @property
    def rate(self) -> float:
        return self.units / max(self.elapsed, 1e-9)

    def count(self, units: int) -> None:
        self.units += units

    @contextmanager
    def stopped(self) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self._paused += time.perf_counter() - began
