"""Outcomes of episodes in lockstep: one batch for the drawing, one for V, one for M and C.

Shapes: n episodes, b rows still running (b <= n), a action, p parameters of a controller.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from reverie.actions import ActionSpec
from reverie.agent import Agent, AgentConfig
from reverie.challenge import Challenge
from reverie.devices import chosen_device
from reverie.envs.config import EnvConfig
from reverie.envs.registry import make_vector_env
from reverie.envs.vector import Start, Transition, VectorEnv
from reverie.lockstep import Lockstep
from reverie.models.controller import Controller, ControllerConfig
from reverie.models.files import load_models
from reverie.policies import AgentPolicy, Policy
from reverie.types import Device
from reverie.workers.contract import located


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
    excess: float = 0.0
    """What a dream promised beyond all there was to earn, and did not pay; 0 on the road."""


Observer = Callable[[np.ndarray, np.ndarray, np.ndarray, Transition], None]
"""Called after each step with rows (b,), the frames acted on, the actions, and what came of them."""


def rollout(
    env: VectorEnv,
    policy: Policy,
    seeds: Sequence[int],
    *,
    starts: Sequence[Start] | None = None,
    max_decisions: int | None = None,
    stall_decisions: int | None = None,
    observer: Observer | None = None,
) -> list[Outcome]:
    """One episode for each seed, at most `env.num_envs` at a time.

    `stall_decisions` ends an episode after that many decisions without progress, as `env.spec` understands it (training
    only: a car that stands still cannot get better); `max_decisions` ends it after that many. What is cut so is
    truncated. `starts` puts each car elsewhere than on the line (training only, too).
    """
    outcomes: list[Outcome] = []
    for start in range(0, len(seeds), env.num_envs):
        wave = slice(start, start + env.num_envs)
        places = starts[wave] if starts else None
        limits = {"max_decisions": max_decisions, "stall_decisions": stall_decisions}
        episodes = Lockstep(env, policy, seeds[wave], starts=places, progressed=env.spec.progressed, **limits)
        outcomes += outcomes_of(episodes, observer)
    return outcomes


def outcomes_of(episodes: Lockstep[Any, Any], observer: Observer | None = None) -> list[Outcome]:
    """Lets them run to their ends."""
    n = len(episodes.rows)
    ret, frames, terminated = np.zeros(n), np.zeros(n, np.int64), np.zeros(n, bool)
    for rows, obs, act, step in episodes:
        if observer:
            observer(rows, obs, act, step)
        ret[rows] += step.rew
        frames[rows] += step.frames
        terminated[rows] = step.end
    return [
        Outcome(float(r), int(f), int(d), bool(t))
        for r, f, d, t in zip(ret, frames, episodes.decisions, terminated, strict=True)
    ]


@dataclass(frozen=True, kw_only=True)
class RolloutTask:
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
    stall_decisions: int | None = None
    max_decisions: int | None = None
    challenge: Challenge | None = None
    """How the world is shown, if not as it is."""
    policy: Callable[[Agent, np.ndarray], Policy] = AgentPolicy
    """Makes who drives of the agent and `params`."""
    device: Device = "cpu"
    """Where V and M are computed, in whatever process."""

    def split(self, rows: int) -> "list[RolloutTask]":
        """The same work in pieces of at most `rows` episodes."""
        starts = range(0, len(self.seeds), rows)
        return [replace(self, params=self.params[i : i + rows], seeds=self.seeds[i : i + rows]) for i in starts]


def run_rollout(task: RolloutTask) -> list[Outcome]:
    """Runs a task, in whatever process this is."""
    env = vector_env(task.env, len(task.seeds), task.challenge)
    agent = cached_agent(task.folder, task.digest, task.agent, task.controller, env.spec.actions, task.device)
    policy = task.policy(agent, task.params)
    return rollout(env, policy, task.seeds, stall_decisions=task.stall_decisions, max_decisions=task.max_decisions)


@lru_cache(maxsize=1)
def cached_agent(
    folder: Path,
    digest: str,  # noqa: ARG001 (says when it is another one)
    config: AgentConfig,
    controller: ControllerConfig,
    actions: ActionSpec,
    device: Device = "cpu",
) -> Agent:
    """This process's agent; kept, because every task of a round has the same. Raises UserError where this machine has
    no such device."""
    vision, memory = load_models(located(folder), chosen_device(device))
    shape = Controller(controller, memory.z_size, memory.config.hidden_size, actions)
    return Agent(vision, memory, shape, config)


@lru_cache(maxsize=2)
def vector_env(config: EnvConfig, num_envs: int, challenge: Challenge | None = None) -> VectorEnv:
    """This process's environments; kept, because making them costs more than resetting them."""
    return make_vector_env(config, num_envs, challenge)
