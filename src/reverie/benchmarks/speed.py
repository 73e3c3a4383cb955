"""How fast a thing is against its alternative: in turns on the same cores, so that neither gets the better machine.

The other side lives in `bench/peers.py` and knows nothing of us; our side is in `contestants`.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import reverie
from reverie.devices import chosen_device
from reverie.errors import UserError
from reverie.progress import Progress
from reverie.types import Device

PATIENCE_SECONDS = 30.0
"""For a peer that shall end."""

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
def on_cores(num: int) -> Iterator[None]:
    """Holds this process, and those that it starts, on the first `num` of its cores, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:num])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class MissingPeerError(Exception):
    """A peer that is not installed; the message says how to install it."""


class Peer:
    """A contestant of `bench/peers.py` in `num` processes of its own, idle between its turns."""

    def __init__(self, name: str, num: int, device: Device = "cpu") -> None:
        """Starts it on the cores that this process may use now, its networks on `device`. Raises MissingPeerError, and
        UserError if it fails."""
        command = [sys.executable, str(_peers()), name, chosen_device(device).type]
        self._name, self._command = name, " ".join(command)
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._processes = [subprocess.Popen(command, **pipes) for _ in range(num)]
        try:
            self(0.0)
        except (MissingPeerError, UserError):
            self.close()
            raise

    def __call__(self, seconds: float) -> float:
        """One turn, all processes at once: units per second, summed."""
        for process in self._processes:
            assert process.stdin
            with contextlib.suppress(BrokenPipeError):  # it has ended; its last words are read below
                process.stdin.write(f"{seconds}\n")
                process.stdin.flush()
        return sum(map(self._answer, self._processes))

    def _answer(self, process: "subprocess.Popen[str]") -> float:
        assert process.stdout
        answer = process.stdout.readline().strip()
        if answer.startswith("missing: "):
            raise MissingPeerError(answer.removeprefix("missing: "))
        try:
            return float(answer)
        except ValueError as error:
            reason = "ended in the middle of the benchmark" if not answer else f"said {answer!r}"
            raise UserError(f"{self._name} {reason}: run it by itself to see why ({self._command})") from error

    def close(self) -> None:
        """Ends the processes."""
        for process in self._processes:
            try:
                process.communicate(timeout=PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
            except BrokenPipeError:
                process.wait()


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
