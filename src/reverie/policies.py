"""Who acts: the contract of a driver, an agent at the wheel, one whose hands shake, and chance.

Shapes: b rows still running, n episodes, a action, p parameters of a controller.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

from reverie.actions import ActionSpec
from reverie.agent import Agent
from reverie.seeding import generator


class Policy(Protocol):
    """Acts for the rows that are still running."""

    def reset(self, seeds: Sequence[int]) -> None:
        """Starts one episode a row; whatever chance a row needs follows from its seed."""
        ...

    def act(self, obs: np.ndarray, prev_rew: np.ndarray) -> np.ndarray:
        """Frames (b, 64, 64, 3) and the rewards (b,) that came with them -> actions (b, a)."""
        ...

    def keep(self, mask: np.ndarray) -> None:
        """Forgets the rows that ended: `mask` (b,) is true for those that go on."""
        ...


class AgentPolicy:
    """An agent at the wheel; `params` (n, p), or (1, p) for one controller in every row."""

    def __init__(self, agent: Agent, params: np.ndarray) -> None:
        self.agent = agent
        self.params = torch.from_numpy(np.ascontiguousarray(params, np.float32)).to(agent.device)

    def reset(self, seeds: Sequence[int]) -> None:
        """A fresh state for each row."""
        n = len(seeds)
        assert len(self.params) in (1, n), f"{len(self.params)} controllers for {n} episodes"
        self._rows = self.params.expand(n, -1)
        self.state = self.agent.initial_state(n)

    def act(self, obs: np.ndarray, prev_rew: np.ndarray) -> np.ndarray:
        """Actions (b, a)."""
        act, self.state = self.agent.act(obs, prev_rew, self._rows, self.state)
        return act

    def keep(self, mask: np.ndarray) -> None:
        """Compacts the state, so that the batch only holds what still runs."""
        kept = torch.from_numpy(np.flatnonzero(mask)).to(self.agent.device)
        self._rows = self._rows[kept]
        self.state = self.state.select(kept)


class ExactPolicy(AgentPolicy):
    """An agent at the wheel whose drive is the same on every processor: for scores, and for what is shown of them."""

    def __init__(self, agent: Agent, params: np.ndarray) -> None:
        super().__init__(agent.exact, params)


class RandomPolicy:
    """Chance drives, in any world: noise that changes slowly (Ornstein-Uhlenbeck), by which each action is as likely as
    another. Each row draws from its own generator."""

    def __init__(self, actions: ActionSpec, hold: int, seed: int) -> None:
        self.actions, self.seed = actions, seed
        self.persistence = 1 - 1 / hold
        """Share of the noise that stays from one decision to the next: the driver forgets over `hold` decisions."""

    def reset(self, seeds: Sequence[int]) -> None:
        """A generator for each row, and where its noise begins."""
        self._rngs = [generator(self.seed, "random actions", s) for s in seeds]
        self._value = self._fresh()

    def act(self, obs: np.ndarray, prev_rew: np.ndarray) -> np.ndarray:  # noqa: ARG002 (a random driver is blind)
        """Actions (b, a)."""
        act = self.actions.at_random(self._value)
        self._value = self.persistence * self._value + np.sqrt(1 - self.persistence**2) * self._fresh()
        return act

    def keep(self, mask: np.ndarray) -> None:
        """Drops the rows that ended."""
        self._rngs = [rng for rng, kept in zip(self._rngs, mask, strict=True) if kept]
        self._value = self._value[mask]

    def _fresh(self) -> np.ndarray:
        return np.stack([rng.standard_normal(self.actions.num_noise) for rng in self._rngs])


class NoisyPolicy:
    """Another driver whose hands shake: noise on its actions that changes slowly (Ornstein-Uhlenbeck), so that a car
    leaves its line, comes to the edge and the grass, and back. Each row draws how strong, up to `noise`.

    On 24 tracks from random starts, `pretrained` with noise 0, .3 and .6 (hold 6, ended after 15 decisions without
    progress) has a wheel on the grass in 7, 12 and 19% of its decisions, and came back from all four wheels on it 26,
    19 and 16 times; its median speed is 51, 44 and 36. A random walk has 39%, 3 times, and 18.
    """

    def __init__(self, policy: Policy, actions: ActionSpec, noise: float, hold: int, seed: int) -> None:
        self.policy, self.actions, self.noise, self.seed = policy, actions, noise, seed
        self.persistence = 1 - 1 / hold
        """Share of the noise that stays from one decision to the next."""

    def reset(self, seeds: Sequence[int]) -> None:
        """A generator and a strength for each row."""
        self.policy.reset(seeds)
        self._rngs = [generator(self.seed, "shaking hands", s) for s in seeds]
        self._scale = np.array([rng.uniform(0, self.noise) for rng in self._rngs])[:, None]
        self._value = np.zeros((len(seeds), self.actions.num_noise))

    def act(self, obs: np.ndarray, prev_rew: np.ndarray) -> np.ndarray:
        """Actions (b, a)."""
        fresh = np.stack([rng.standard_normal(self.actions.num_noise) for rng in self._rngs])
        self._value = self.persistence * self._value + np.sqrt(1 - self.persistence**2) * self._scale * fresh
        return self.actions.shaken(self.policy.act(obs, prev_rew), self._value, self._scale)

    def steady(self, rows: np.ndarray) -> None:
        """Stills the hands in `rows` (b,) bool, for good."""
        self._scale[rows] = self._value[rows] = 0

    def keep(self, mask: np.ndarray) -> None:
        """Drops the rows that ended."""
        self.policy.keep(mask)
        self._rngs = [rng for rng, kept in zip(self._rngs, mask, strict=True) if kept]
        self._scale, self._value = self._scale[mask], self._value[mask]
