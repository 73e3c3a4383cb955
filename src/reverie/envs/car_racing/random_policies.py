"""CarRacing's random drivers, to see the world before there is an agent.

Shapes: b rows, a action (steer, gas, brake). Each row draws from its own generator, so that an episode does not depend
on which others run beside it.
"""

from collections.abc import Callable, Sequence

import numpy as np

from reverie.seeding import generator

PUSH_ACTION = np.array([-0.1, 1.0, 0.0], np.float32)
"""What a row does during its push: full gas and a touch of steering (the report's first frames)."""

Draw = Callable[[np.random.Generator], np.ndarray]


def menu(rng: np.random.Generator) -> np.ndarray:
    """One action (a,) of the report's menu: 10% nothing, 40% gas, 20% left, 20% right, 10% brake; uniform strength."""
    kind, strength = rng.random(), rng.random()
    act = np.zeros(3, np.float32)
    if kind < 0.1:
        return act
    if kind < 0.5:
        act[1] = strength
    elif kind < 0.7:
        act[0] = -strength
    elif kind < 0.9:
        act[0] = strength
    else:
        act[2] = strength
    return act


class MenuPolicy:
    """Draws from the menu and holds the action for a while."""

    def __init__(self, hold: int, push: int, seed: int) -> None:
        self.hold, self.push, self.seed = hold, push, seed
        """Decisions that an action is held, and that the first push lasts."""

    def reset(self, seeds: Sequence[int]) -> None:
        """A generator for each row."""
        self._rngs = [generator(self.seed, "menu", s) for s in seeds]
        self._act = np.tile(PUSH_ACTION, (len(seeds), 1))
        self._time = 0

    def act(self, obs: np.ndarray, prev_rew: np.ndarray) -> np.ndarray:  # noqa: ARG002 (a random driver is blind)
        """Actions (b, a)."""
        held = self._time - self.push
        if held >= 0 and held % self.hold == 0:
            self._act = np.stack([menu(rng) for rng in self._rngs])
        self._time += 1
        return self._act

    def keep(self, mask: np.ndarray) -> None:
        """Drops the rows that ended."""
        self._rngs = [rng for rng, kept in zip(self._rngs, mask, strict=True) if kept]
        self._act = self._act[mask]


class WalkPolicy:
    """A smooth random walk: steering and pedal are Ornstein-Uhlenbeck processes, the pedal's around a gas that each
    episode draws, so that cars do move on, at different speeds."""

    def __init__(self, hold: int, push: int, seed: int, *, steer_scale: float = 0.2, gas: float = 0.2) -> None:
        self.push, self.seed = push, seed
        self.steer_scale, self.gas = steer_scale, gas
        self.persistence = 1 - 1 / hold
        """Share of a value that stays from one decision to the next: the walk forgets over `hold` decisions."""

    def reset(self, seeds: Sequence[int]) -> None:
        """A generator and a taste for gas for each row."""
        self._rngs = [generator(self.seed, "walk", s) for s in seeds]
        gas = np.array([rng.uniform(0, self.gas) for rng in self._rngs])
        self._mean = np.stack([np.zeros_like(gas), gas], -1)
        self._value = self._mean.copy()
        self._time = 0

    def act(self, obs: np.ndarray, prev_rew: np.ndarray) -> np.ndarray:  # noqa: ARG002 (a random driver is blind)
        """Actions (b, a)."""
        noise = np.stack([rng.standard_normal(2) for rng in self._rngs])
        scale = np.array([self.steer_scale, 0.2]) * np.sqrt(1 - self.persistence**2)
        self._value = self._mean + self.persistence * (self._value - self._mean) + scale * noise
        self._time += 1
        if self._time <= self.push:
            return np.tile(PUSH_ACTION, (len(noise), 1))
        steer, pedal = self._value.T
        act = [np.clip(steer, -1, 1), np.clip(pedal, 0, 1), np.clip(-pedal, 0, 1)]
        return np.stack(act, -1).astype(np.float32)

    def keep(self, mask: np.ndarray) -> None:
        """Drops the rows that ended."""
        self._rngs = [rng for rng, kept in zip(self._rngs, mask, strict=True) if kept]
        self._mean, self._value = self._mean[mask], self._value[mask]
