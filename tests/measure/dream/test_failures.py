"""What comes after a failure, on a road whose rewards are known."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from reverie.data.failures import STUCK
from reverie.envs.config import EnvConfig
from reverie.envs.vector import Transition
from reverie.measure.dream import failures
from reverie.measure.dream.failures import AFTER, CONTEXT, NUM_DREAMS, first_failure, measure_failures, stays
from reverie.run.folder import RunFolder
from reverie.training.controller.rollouts import agent_of


def rewards(good: int, then: int = 200) -> np.ndarray:
    """Something comes for so many decisions, and then nothing."""
    return np.repeat([1.0, -0.4], [good, then])


def test_a_failure_is_so_many_decisions_after_the_last_reward():
    assert first_failure(rewards(30)) == 30 + STUCK
    assert first_failure(rewards(30, then=STUCK - 1)) is None
    twice = np.concatenate([rewards(20, STUCK - 1), rewards(5)])
    assert first_failure(twice) == len(rewards(20, STUCK - 1)) + 5 + STUCK


def test_one_that_m_has_not_seen_coming_or_that_comes_too_late_does_not_count():
    assert first_failure(rewards(CONTEXT - STUCK - 1)) is None
    assert first_failure(rewards(CONTEXT - STUCK)) == CONTEXT
    assert first_failure(rewards(140)) is None


def test_who_stays_earns_nothing_any_more():
    assert stays(np.array([[-1.0, 0.0, -1.0], [-1.0, 0.1, -1.0]])).tolist() == [True, False]


@dataclass
class Road:
    """Car i earns 1 a decision for `good[i]` decisions, then -1, and from `back[i]` on 1 again."""

    good: list[int]
    back: list[int]
    acts: list[np.ndarray] = field(default_factory=list)

    @property
    def num_envs(self) -> int:
        return len(self.good)

    def reset(self, rows, seeds, starts=None):  # noqa: ARG002
        self.decision = 0
        return np.zeros((len(rows), 64, 64, 3), np.uint8)

    def step(self, rows, act):
        full = np.full((self.num_envs, act.shape[1]), np.nan)
        full[rows] = act
        self.acts.append(full)
        earns = [self.decision < self.good[i] or self.decision >= self.back[i] for i in rows]
        self.decision += 1
        n = len(rows)
        none = np.zeros(n, bool)
        return Transition(
            obs=np.zeros((n, 64, 64, 3), np.uint8),
            rew=np.where(earns, 1.0, -1.0),
            end=none,
            trunc=none,
            frames=np.full(n, 4),
        )


def test_returns_after_failures_are_those_of_the_road(tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch):
    """One car never comes back, one does after ten more decisions, one never fails."""
    road = Road(good=[20, 30, 1000], back=[1000, 30 + STUCK + 10, 1000])
    monkeypatch.setattr(failures, "make_vector_env", lambda env, num: road)  # noqa: ARG005
    agent, params = agent_of(tiny_run)
    found = measure_failures(agent, np.zeros_like(params), [500_000, 500_001, 500_002], EnvConfig(), seed=0)
    assert (found.cars, found.road.shape, found.dream.shape) == (3, (2, AFTER), (2 * NUM_DREAMS, AFTER))
    assert found.road.sum(1).tolist() == [-AFTER, -10 + AFTER - 10]
    assert stays(found.road).tolist() == [True, False]
    # Hands shake until a car has failed, and never again.
    steer = np.stack(road.acts)[:, :, 0]
    assert np.abs(steer[: 20 + STUCK, 0]).min() > 0
    assert not np.nan_to_num(steer[20 + STUCK :, 0]).any()
    assert not steer[30 + STUCK : 150, 1].any()
    assert np.abs(steer[1:140, 2]).min() > 0


def test_where_nobody_fails_nothing_is_said_of_it(tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(failures, "make_vector_env", lambda env, num: Road([1000] * num, [1000] * num))  # noqa: ARG005
    agent, params = agent_of(tiny_run)
    found = measure_failures(agent, params, [500_000], EnvConfig(), seed=0)
    assert (found.cars, len(found.road), len(found.dream)) == (1, 0, 0)
