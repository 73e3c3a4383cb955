"""How fast a thing is against its alternative: both in one process, in turns, so that neither gets the better machine.

Shapes: n environments, frames (n, 64, 64, 3) uint8.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from reverie.envs.config import EnvConfig
from reverie.envs.registry import make_env, make_vector_env
from reverie.metrics import Progress

BATCH = 16
"""Environments in the batch of ours; Gymnasium's is one, since it gains nothing from more."""

Round = Callable[[float], float]
"""Works for so many seconds, and gives units per second."""


@dataclass(frozen=True, kw_only=True)
class Speeds:
    """Speeds of several contestants, in rounds side by side."""

    unit: str
    rates: Mapping[str, tuple[float, ...]]
    """Contestant -> its rate in each round, units per second."""

    def ratios(self, ours: str, other: str) -> tuple[float, ...]:
        """How many times faster `ours` was than `other`, round by round."""
        return tuple(a / b for a, b in zip(self.rates[ours], self.rates[other], strict=True))


def race(contestants: Mapping[str, Round], *, rounds: int, seconds: float, unit: str, quiet: bool = False) -> Speeds:
    """`rounds` times each contestant in turn, `seconds` long, after a short turn for each that does not count."""
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for warm_up in contestants.values():
        warm_up(min(1.0, seconds))
    with Progress("bench", rounds * len(contestants), "turns", quiet=quiet) as bar:
        for _ in range(rounds):
            for name, contestant in contestants.items():
                rates[name].append(contestant(seconds))
                bar.advance(1, last=name, rate=f"{rates[name][-1]:.0f} {unit}")
    return Speeds(unit=unit, rates={name: tuple(values) for name, values in rates.items()})


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


def gymnasium_64() -> Round:
    """Frames per second of Gymnasium's CarRacing-v3, its 96x96 observation resized to 64x64; random actions."""
    from PIL import Image

    env = make_env(EnvConfig(renderer="gymnasium", action_repeat=1))
    actions = _Actions(1)
    clock = _Clock()
    over = True
    seeds = iter(range(10_000_000))

    def turn(seconds: float) -> float:
        nonlocal over
        clock.start(seconds)
        while clock.running:
            if over:
                with clock.stopped():
                    env.reset(seed=next(seeds))
            obs, _, end, trunc, _ = env.step(actions.next()[0])
            np.asarray(Image.fromarray(obs).resize((64, 64), Image.Resampling.BILINEAR))
            over = end or trunc
            clock.count(1)
        return clock.rate

    return turn


def reverie_64() -> Round:
    """Frames per second of our CarRacing at 64x64, a batch of `BATCH` that is stepped together; random actions."""
    env = make_vector_env(EnvConfig(renderer="fast", action_repeat=1), BATCH)
    actions = _Actions(BATCH)
    clock = _Clock()
    over = np.ones(BATCH, bool)
    seeds = iter(range(10_000_000))
    rows = np.arange(BATCH)

    def turn(seconds: float) -> float:
        clock.start(seconds)
        while clock.running:
            if over.any():
                with clock.stopped():
                    ended = np.flatnonzero(over)
                    env.reset(ended, [next(seeds) for _ in ended])
            step = env.step(rows, actions.next())
            over[:] = step.end | step.trunc
            clock.count(BATCH)
        return clock.rate

    return turn


class _Actions:
    """Uniform random actions (n, 3), drawn beforehand, since drawing them is not what is measured."""

    def __init__(self, n: int, num: int = 4096) -> None:
        rng = np.random.default_rng(0)
        low, high = np.array([-1, 0, 0], np.float32), np.ones(3, np.float32)
        self._drawn = rng.uniform(low, high, (num, n, 3)).astype(np.float32)
        self._i = 0

    def next(self) -> np.ndarray:
        self._i = (self._i + 1) % len(self._drawn)
        return self._drawn[self._i]


class _Clock:
    """Counts units while it runs; new tracks are made while it is stopped, for both sides alike."""

    def start(self, seconds: float) -> None:
        self._seconds, self._units, self._paused = seconds, 0, 0.0
        self._start = time.perf_counter()

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self._start - self._paused

    @property
    def running(self) -> bool:
        return self.elapsed < self._seconds

    @property
    def rate(self) -> float:
        return self._units / self.elapsed

    def count(self, units: int) -> None:
        self._units += units

    @contextmanager
    def stopped(self) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self._paused += time.perf_counter() - began
