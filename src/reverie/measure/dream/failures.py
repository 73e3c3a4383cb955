"""What comes after a failure, on the road and in the dream: whether the dream forgives what the road does not.

A driver's hands shake until nothing has come for a while; from that moment on they are steady, on the road, and in
dreams that begin there.

Shapes: n failures, d dreams of each, t decisions after, p parameters of a controller.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from reverie.agent import Agent
from reverie.data.failures import STUCK, failures
from reverie.dream.dreamer import Dreamer
from reverie.dream.imagine import DreamConfig
from reverie.dream.moments import CONTEXT, Moments, moments_after
from reverie.dream.rollout import rollout_dreams
from reverie.envs.config import EnvConfig
from reverie.envs.registry import make_vector_env
from reverie.envs.starts import start
from reverie.lockstep import Lockstep
from reverie.models.coding import encode
from reverie.policies import AgentPolicy, NoisyPolicy
from reverie.seeding import torch_generator
from reverie.types import Frames

AFTER = 60
"""Decisions that are looked at from then on, t."""
NUM_DREAMS = 8
"""Of each failure, d."""
NOISE, HOLD = 0.6, 6
"""How strongly hands shake at most (each car draws), and for how many decisions."""
_SHAKING = 140
"""Decisions after which nobody need fail any more."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Failures:
    """What came after n failures."""

    cars: int
    """That were driven to find them."""
    road: np.ndarray
    """(n, t) rewards; 0 after the end of an episode."""
    dream: np.ndarray
    """(n * d, t) rewards that M expects."""


def returns(rew: np.ndarray) -> np.ndarray:
    """What came of each (n,)."""
    return rew.sum(1)


def stays(rew: np.ndarray) -> np.ndarray:
    """(n,) bool: whether no decision brought anything any more."""
    return np.asarray((rew <= 0).all(1))


class _Steadied:
    """Hands that shake until their drive has failed."""

    def __init__(self, driver: NoisyPolicy) -> None:
        self._driver = driver

    def reset(self, seeds: Sequence[int]) -> None:
        """Shaking hands for everyone."""
        self._driver.reset(seeds)
        self._idle = np.zeros(len(seeds), np.int64)

    def act(self, obs: np.ndarray, prev_rew: np.ndarray) -> np.ndarray:
        """Actions (b, a)."""
        self._idle = np.where(prev_rew > 0, 0, self._idle + 1)  # the first sight came without a decision, too
        self._driver.steady(self._idle >= STUCK)
        return self._driver.act(obs, prev_rew)

    def keep(self, mask: np.ndarray) -> None:
        """Drops the rows that ended."""
        self._driver.keep(mask)
        self._idle = self._idle[mask]


@torch.inference_mode()
def measure_failures(agent: Agent, params: np.ndarray, tracks: Sequence[int], env: EnvConfig, seed: int) -> Failures:
    """Drives `tracks` with C of `params` (p,) from anywhere on the road, and of each the first failure on. None where
    nobody fails: then there are no rows."""
    length = _SHAKING + AFTER
    env = replace(env, max_frames=length * env.action_repeat)
    driver = NoisyPolicy(AgentPolicy(agent, params[None]), agent.controller.actions, NOISE, HOLD, seed)
    starts = [start(replace(env, renderer="fast"), "random", seed, i) for i in range(len(tracks))]
    episodes = Lockstep(
        make_vector_env(env, len(tracks)),
        _Steadied(driver),
        tracks,
        starts=starts,
        max_decisions=length,
        stall_decisions=STUCK + AFTER,
    )
    obs: list[list[Frames]] = [[frame] for frame in episodes.obs]
    act, rew = ([[] for _ in tracks] for _ in range(2))
    for rows, _, chosen, step in episodes:
        for i, row in enumerate(rows):
            obs[row].append(step.obs[i])
            act[row].append(chosen[i])
            rew[row].append(step.rew[i])
    contexts, road = [], []
    for car in range(len(tracks)):
        rewards = np.array(rew[car], np.float32)
        at = first_failure(rewards)
        if at is None:
            continue
        before = slice(at - CONTEXT, at)
        told = rewards[at - CONTEXT - 1 : at] if at > CONTEXT else np.append(np.float32(0), rewards[:at])
        contexts.append((np.stack(obs[car][at - CONTEXT : at + 1]), np.stack(act[car][before]), told))
        after = rewards[at : at + AFTER]
        road.append(np.pad(after, (0, AFTER - len(after))))
    if not road:
        return Failures(cars=len(tracks), road=np.zeros((0, AFTER)), dream=np.zeros((0, AFTER)))
    frames, acts, told = (np.stack(part) for part in zip(*contexts, strict=True))
    z = encode(agent.vision, frames.reshape(-1, 64, 64, 3))[0].reshape(*frames.shape[:2], -1)
    bank = moments_after(agent.memory, *(torch.from_numpy(x.astype(np.float32)) for x in (z, acts, told)))
    return Failures(cars=len(tracks), road=np.stack(road), dream=_dreamt(agent, params, bank, seed))


def first_failure(rew: np.ndarray) -> int | None:
    """The first decision of a drive, by its rewards (t,), that comes `STUCK` after the last that brought something, and
    that M has seen `CONTEXT` before of; None where there is none, or it comes too late."""
    after = failures(rew > 0) + 1 + STUCK
    return next((at for at in after.tolist() if CONTEXT <= at <= _SHAKING), None)


def _dreamt(agent: Agent, params: np.ndarray, bank: Moments, seed: int) -> np.ndarray:
    """Rewards (n * d, t) of C's dreams from the moments of a bank."""
    num = len(bank) * NUM_DREAMS
    chance = torch_generator(seed, "after failures", device=agent.device)
    dreamer = Dreamer(agent.memory, bank, num, DreamConfig(), chance)
    numbers = torch.arange(len(bank)).repeat_interleave(NUM_DREAMS)
    return rollout_dreams(dreamer, agent.controller, np.repeat(params[None], num, 0), AFTER, numbers).rew
