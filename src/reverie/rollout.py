"""Episodes in lockstep: many tracks stepped together, one batch for the drawing, one for V, one for M and C.

Shapes: n episodes, b rows still running (b <= n), a action, p parameters of a controller.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch

from reverie.agent import Agent, AgentConfig
from reverie.envs.config import EnvConfig
from reverie.envs.registry import make_vector_env
from reverie.envs.vector import Start, Transition, VectorEnv
from reverie.models.controller import Controller, ControllerConfig
from reverie.models.files import load_models
from reverie.seeding import generator
from reverie.workers.contract import located


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


class Outcome(NamedTuple):
    """What an episode came to."""

    ret: float
    """Sum of rewards."""
    frames: int
    """Simulator steps."""
    decisions: int
    """Actions of the agent."""
    terminated: bool
    """Ended by the environment (lap finished, or off the field), not by a limit."""


Observer = Callable[[np.ndarray, np.ndarray, np.ndarray, Transition], None]
"""Called after each step with rows (b,), the frames acted on, the actions, and what came of them."""


def rollout(
    env: VectorEnv,
    policy: Policy,
    seeds: Sequence[int],
    *,
    starts: Sequence[Start] | None = None,
    max_decisions: int | None = None,
    patience: int | None = None,
    observer: Observer | None = None,
) -> list[Outcome]:
    """One episode for each seed, at most `env.num_envs` at a time.

    `patience` ends an episode after that many decisions without a reward above zero (training only: a car that stands
    still cannot get better); `max_decisions` ends it after that many. `starts` puts each car elsewhere than on the line
    (training only, too).
    """
    outcomes: list[Outcome] = []
    for start in range(0, len(seeds), env.num_envs):
        wave = slice(start, start + env.num_envs)
        places = starts[wave] if starts else None
        outcomes += _wave(env, policy, seeds[wave], places, max_decisions, patience, observer)
    return outcomes


def _wave(
    env: VectorEnv,
    policy: Policy,
    seeds: Sequence[int],
    starts: Sequence[Start] | None,
    max_decisions: int | None,
    patience: int | None,
    observer: Observer | None,
) -> list[Outcome]:
    n = len(seeds)
    ret, frames, decisions = np.zeros(n), np.zeros(n, np.int64), np.zeros(n, np.int64)
    last_progress, terminated = np.zeros(n, np.int64), np.zeros(n, bool)
    rows = np.arange(n)
    policy.reset(seeds)
    obs, prev_rew = env.reset(rows, seeds, starts), np.zeros(n)
    while len(rows):
        act = policy.act(obs, prev_rew)
        step = env.step(rows, act)
        if observer:
            observer(rows, obs, act, step)
        ret[rows] += step.rew
        frames[rows] += step.frames
        decisions[rows] += 1
        terminated[rows] = step.end
        last_progress[rows] = np.where(step.rew > 0, decisions[rows], last_progress[rows])
        going = ~(step.end | step.trunc)
        if patience:
            going &= decisions[rows] - last_progress[rows] < patience
        if max_decisions:
            going &= decisions[rows] < max_decisions
        obs, prev_rew = step.obs, step.rew
        if not going.all():
            policy.keep(going)
            rows, obs, prev_rew = rows[going], obs[going], prev_rew[going]
    return [
        Outcome(float(r), int(f), int(d), bool(t))
        for r, f, d, t in zip(ret, frames, decisions, terminated, strict=True)
    ]


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
        self._state = self.agent.initial_state(n)

    def act(self, obs: np.ndarray, prev_rew: np.ndarray) -> np.ndarray:
        """Actions (b, a)."""
        act, self._state = self.agent.act(obs, prev_rew, self._rows, self._state)
        return act

    def keep(self, mask: np.ndarray) -> None:
        """Compacts the state, so that the batch only holds what still runs."""
        kept = torch.from_numpy(np.flatnonzero(mask)).to(self.agent.device)
        self._rows = self._rows[kept]
        self._state = self._state.select(kept)


class NoisyPolicy:
    """Another driver whose hands shake: noise on steering and pedal that changes slowly (Ornstein-Uhlenbeck), so that
    the car leaves its line, comes to the edge and the grass, and back. Each row draws how strong, up to `noise`.

    On 24 tracks from random starts, `pretrained` with noise 0, .3 and .6 (hold 6, patience 15) has a wheel on the grass
    in 7, 12 and 19% of its decisions, and came back from all four wheels on it 26, 19 and 16 times; its median speed is
    51, 44 and 36. A random walk has 39%, 3 times, and 18.
    """

    def __init__(self, driver: Policy, noise: float, hold: int, seed: int) -> None:
        self.driver, self.noise, self.seed = driver, noise, seed
        self.persistence = 1 - 1 / hold
        """Share of the noise that stays from one decision to the next."""

    def reset(self, seeds: Sequence[int]) -> None:
        """A generator and a strength for each row."""
        self.driver.reset(seeds)
        self._rngs = [generator(self.seed, "shaking hands", s) for s in seeds]
        self._scale = np.array([rng.uniform(0, self.noise) for rng in self._rngs])[:, None]
        self._value = np.zeros((len(seeds), 2))

    def act(self, obs: np.ndarray, prev_rew: np.ndarray) -> np.ndarray:
        """Actions (b, 3): steering, gas, brake."""
        steer, gas, brake = self.driver.act(obs, prev_rew).T.astype(np.float64)
        both = np.minimum(gas, brake)  # a driver may press both pedals: that stays as it is
        fresh = np.stack([rng.standard_normal(2) for rng in self._rngs])
        self._value = self.persistence * self._value + np.sqrt(1 - self.persistence**2) * self._scale * fresh
        pedal = np.clip(gas - brake + self._value[:, 1], -1, 1)
        steer = np.clip(steer + self._value[:, 0], -1, 1)
        pedals = np.minimum(both + np.maximum([pedal, -pedal], 0), 1)
        return np.stack([steer, *pedals], 1).astype(np.float32)

    def keep(self, mask: np.ndarray) -> None:
        """Drops the rows that ended."""
        self.driver.keep(mask)
        self._rngs = [rng for rng, kept in zip(self._rngs, mask, strict=True) if kept]
        self._scale, self._value = self._scale[mask], self._value[mask]


@dataclass(frozen=True, kw_only=True)
class DriveTask:
    """Work for a worker: candidates on tracks. The worker loads V and M itself, once."""

    folder: Path
    """Where vision.safetensors and memory.safetensors lie, as `Workers.place` gave it."""
    digest: str
    """Says which V and M they are, so that a worker does not go on with old ones."""
    env: EnvConfig
    agent: AgentConfig
    controller: ControllerConfig
    params: np.ndarray
    """(n, p): a controller for each episode."""
    seeds: tuple[int, ...]
    """(n,): a track for each episode."""
    patience: int | None = None
    max_decisions: int | None = None

    def split(self, rows: int) -> "list[DriveTask]":
        """The same work in pieces of at most `rows` episodes."""
        starts = range(0, len(self.seeds), rows)
        return [replace(self, params=self.params[i : i + rows], seeds=self.seeds[i : i + rows]) for i in starts]


def drive(task: DriveTask) -> list[Outcome]:
    """Runs a task, in whatever process this is."""
    agent = cached_agent(task.folder, task.digest, task.agent, task.controller)
    env = vector_env(task.env, len(task.seeds))
    policy = AgentPolicy(agent, task.params)
    return rollout(env, policy, task.seeds, patience=task.patience, max_decisions=task.max_decisions)


@lru_cache(maxsize=1)
def cached_agent(folder: Path, digest: str, config: AgentConfig, controller: ControllerConfig) -> Agent:  # noqa: ARG001
    """This process's agent; kept, because every task of a round has the same."""
    vision, memory = load_models(located(folder))
    return Agent(vision, memory, Controller(controller, memory.z_size, memory.config.hidden_size), config)


@lru_cache(maxsize=2)
def vector_env(config: EnvConfig, num_envs: int) -> VectorEnv:
    """This process's environments; kept, because making them costs more than resetting them."""
    return make_vector_env(config, num_envs)
