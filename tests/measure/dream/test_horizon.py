"""Dream truth: real episodes with their labels, and toy models whose dreams are known to be right or wrong."""

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor

from reverie.envs.car_racing.random_policies import WalkPolicy
from reverie.envs.config import EnvConfig
from reverie.measure.dream.horizon import (
    CONTEXT,
    HORIZONS,
    DreamHorizon,
    RealEpisodes,
    driven_rewards,
    join,
    measure_dream,
    record_episodes,
)
from reverie.measure.truth.judges import Judges
from reverie.models.controller import Controller, ControllerConfig
from reverie.models.distributions import DiagonalGaussian, Mixture
from reverie.models.mdn_rnn import Memory, MemoryConfig, MemoryState, Prediction
from reverie.models.vision import Vision
from reverie.seeding import VALIDATION_TRACKS

LENGTH = CONTEXT + HORIZONS[-1]


@pytest.fixture(scope="module")
def episodes() -> RealEpisodes:
    policy = WalkPolicy(hold=6, push=0, seed=0)
    return record_episodes(policy, list(VALIDATION_TRACKS[:3]), EnvConfig(), 0)


def test_episodes_are_whole_and_labelled(episodes: RealEpisodes):
    n = len(episodes.track)
    assert 0 < n <= 3
    assert episodes.obs.shape == (n, LENGTH + 1, 64, 64, 3)
    assert episodes.act.shape == (n, LENGTH, 3)
    assert episodes.rew.shape == (n, LENGTH)
    assert episodes.state.shape == (n, LENGTH + 1, 3)
    assert set(episodes.track) <= set(VALIDATION_TRACKS[:3])
    near = np.abs(episodes.state[..., 0]) <= 12
    assert (episodes.known == (near & (np.abs(episodes.state[..., 1]) <= 1))).all()
    assert np.abs(np.diff(episodes.state[..., 1:, 0], axis=1)).max() < 14  # no jumps: labels belong to one car


def test_each_drive_is_the_one_of_its_track(episodes: RealEpisodes):
    policy = WalkPolicy(hold=6, push=0, seed=0)
    alone = record_episodes(policy, list(VALIDATION_TRACKS[:1]), EnvConfig(), 0)
    np.testing.assert_array_equal(alone.obs[0], episodes.obs[0])
    np.testing.assert_allclose(alone.state[0], episodes.state[0])
    both = join([alone, episodes])
    assert len(both.track) == 1 + len(episodes.track)


def test_a_short_time_limit_does_not_shorten_them(episodes: RealEpisodes):
    policy = WalkPolicy(hold=6, push=0, seed=0)
    short = record_episodes(policy, list(VALIDATION_TRACKS[:3]), EnvConfig(max_frames=20), 0)
    np.testing.assert_array_equal(short.act, episodes.act)


class SumOfActions:
    """A world whose only latent moves by the first number of each action; its memory foresees so much of that."""

    action_size, z_size = 1, 1

    device = torch.device("cpu")

    def __init__(self, gain: float, reward: float | None) -> None:
        self.gain, self.reward = gain, reward

    def parameters(self) -> Iterator[Tensor]:
        return iter(())

    def encode(self, frames: Tensor) -> DiagonalGaussian:
        mu = frames[:, 0, 0, :1].float()
        return DiagonalGaussian(mu, torch.zeros_like(mu))

    def decode(self, z: Tensor) -> Tensor:
        return z.round().clamp(0, 255).to(torch.uint8)[:, None, None, :].expand(-1, 64, 64, 3)

    def initial_state(self, b: int) -> MemoryState:
        return MemoryState(torch.zeros(b, 1, 1), torch.zeros(b, 1, 1))

    def step(self, z: Tensor, act: Tensor, state: MemoryState, rew: Tensor) -> MemoryState:  # noqa: ARG002
        return MemoryState((z + self.gain * act)[:, None], state.c)

    def __call__(self, z: Tensor, act: Tensor, prev_rew: Tensor) -> tuple[Tensor, MemoryState]:
        self.seen_rew = prev_rew
        return z + self.gain * act, self.initial_state(len(z))

    def predict(self, hidden: Tensor, z: Tensor) -> Prediction:  # noqa: ARG002
        mu = hidden.unsqueeze(-2)
        reward = None if self.reward is None else torch.full((len(hidden),), self.reward)
        return Prediction(Mixture(torch.zeros_like(mu), mu, torch.zeros_like(mu)), reward, None)


class ColourProbe:
    """Reads the state off the colour."""

    def state(self, frames: np.ndarray) -> np.ndarray:
        return frames[:, 0, 0, :].astype(np.float32)


def toy_episodes() -> RealEpisodes:
    n = 4
    act = np.ones((n, LENGTH, 1), np.float32) * np.array([0, 1, 1, 2])[:, None, None]
    colour = np.cumsum(np.concatenate([np.full((n, 1, 1), 10.0), act], 1), 1).repeat(3, 2)
    known = np.ones((n, LENGTH + 1), bool)
    known[1] = False
    return RealEpisodes(
        obs=np.tile(colour.astype(np.uint8)[:, :, None, None], (1, 1, 64, 64, 1)),
        act=act,
        rew=np.ones((n, LENGTH), np.float32),
        state=colour.astype(np.float32),
        speed=colour[..., 0].astype(np.float32),
        grass=np.zeros((n, LENGTH + 1), np.int64),
        known=known,
        track=np.arange(n),
    )


def measured(gain: float, reward: float | None = None) -> DreamHorizon:
    world = SumOfActions(gain, reward)
    return measure_dream(cast(Vision, world), cast(Memory, world), cast(Judges, ColourProbe()), toy_episodes())


def test_a_memory_that_knows_the_world_makes_no_error():
    found = measured(1.0)
    assert found.dream["offset"] == (0.0,) * len(HORIZONS)
    assert found.seen["heading"] == (0.0,) * len(HORIZONS)
    assert found.relative == (0.0,) * len(HORIZONS)


def test_a_memory_that_stands_still_errs_as_the_last_frame():
    found = measured(0.0)
    expected = tuple(h * (0 + 1 + 2) / 3 for h in HORIZONS)  # the second drive is left out: its state is not known
    assert found.dream["curvature"] == pytest.approx(expected)
    assert found.still["curvature"] == pytest.approx(expected)
    assert found.relative == pytest.approx((1.0,) * len(HORIZONS))
    assert found.per_track["offset"][0] == pytest.approx((0.0, 1.0, 2.0))


def test_where_nothing_moves_no_latent_is_foreseen_better_than_another():
    still = replace(toy_episodes(), obs=np.full((4, LENGTH + 1, 64, 64, 3), 10, np.uint8))
    world = SumOfActions(1.0, None)
    found = measure_dream(cast(Vision, world), cast(Memory, world), cast(Judges, ColourProbe()), still)
    assert found.latent == (None,) * len(HORIZONS)


def test_the_median_of_dreams_errs_less_than_one_with_chance_in_it():
    """The toy memory is right on average, and each of its steps adds chance of deviation 1."""
    errors = measured(1.0).median["offset"]
    for horizon, error in zip(HORIZONS[1:], errors[1:], strict=True):
        alone = np.sqrt(2 / np.pi * horizon)  # mean absolute deviation of a walk so long
        assert 0 < error < 0.7 * alone
    assert measured(0.0).relative_median == pytest.approx((1.0,) * len(HORIZONS), abs=0.5)


@pytest.mark.parametrize(("gain", "other", "rho"), [(0.5, 0.0, 1.0), (0.0, 0.5, 1.0), (0.5, 0.5, 0.0), (1.0, 0.0, 0.0)])
def test_doubt_ranks_drives_as_their_errors_do(gain: float, other: float, rho: float):
    """Both members are the more wrong, and the further apart, the larger the actions; alike they doubt nothing, and a
    first one that knows the world makes no error to foresee."""
    world, member = (cast(Memory, SumOfActions(g, None)) for g in (gain, other))
    episodes, vision, judges = toy_episodes(), cast(Vision, world), cast(Judges, ColourProbe())
    act = episodes.act.copy()
    act[:, :CONTEXT] = 2 - act[:, :CONTEXT]  # what was doubted before the dream does not count
    episodes = replace(episodes, act=act)
    assert measure_dream(vision, world, judges, episodes, [member]).doubt == pytest.approx((rho,) * len(HORIZONS))
    assert measure_dream(vision, world, judges, episodes).doubt is None


def test_who_doubts_reads_the_rewards_that_came_and_then_those_dreamt():
    class Counter(SumOfActions):
        """Expects a reward of 1, then 2, and so on."""

        def predict(self, hidden: Tensor, z: Tensor) -> Prediction:
            self.reward = 1.0 if self.reward is None else self.reward + 1
            return super().predict(hidden, z)

    world, member = Counter(1.0, None), SumOfActions(0.5, None)
    episodes, judges = toy_episodes(), cast(Judges, ColourProbe())
    measure_dream(cast(Vision, world), cast(Memory, world), judges, episodes, [cast(Memory, member)])
    expected = [0.0] + [1.0] * CONTEXT + [i + 1.0 for i in range(CONTEXT, LENGTH - 1)]
    np.testing.assert_array_equal(member.seen_rew.numpy(), np.tile(expected, (4, 1)))


def test_half_a_memory_errs_half():
    assert measured(0.5).relative == pytest.approx((0.5,) * len(HORIZONS), abs=0.2)
    assert measured(0.5).latent == pytest.approx((0.5,) * len(HORIZONS))


def test_rewards_are_summed_from_the_start_of_the_dream():
    found = measured(1.0, reward=1.5)
    assert found.real_reward == HORIZONS  # 1 a decision
    assert found.reward == pytest.approx([1.5 * h for h in HORIZONS])
    assert found.reward_ratio == pytest.approx((1.5,) * len(HORIZONS))
    assert measured(1.0).reward is None


class GasPays(Memory):
    """Expects as reward the gas that is given, and as the next latent this one plus 1; the first latent must be that of
    the last real frame."""

    def __init__(self) -> None:
        super().__init__(MemoryConfig(hidden_size=2, num_mixtures=1, end_head=False), z_size=1, action_size=3)
        self.seen: list[Tensor] = []

    def step(self, z: Tensor, act: Tensor, state: MemoryState, prev_rew: Tensor | None = None) -> MemoryState:  # noqa: ARG002
        self.seen.append(z)
        return MemoryState(torch.cat([z + 1, act[:, 1:2]], -1)[:, None], state.c)

    def predict(self, hidden: Tensor, z: Tensor) -> Prediction:  # noqa: ARG002
        mu = hidden[..., None, :1]
        return Prediction(Mixture(torch.zeros_like(mu), mu, torch.full_like(mu, -20.0)), hidden[..., 1], None)


def test_the_agent_drives_on_in_the_dream_from_the_last_real_frame():
    episodes, memory = toy_episodes(), GasPays()
    episodes = replace(episodes, act=np.repeat(episodes.act, 3, -1).astype(np.float32))
    controller = Controller(ControllerConfig(inputs="z"), 1, 2)
    params = np.zeros(controller.num_params)
    params[-2] = np.arctanh(2 * 0.25 - 1)  # gas is (tanh + 1) / 2
    vision = cast(Vision, SumOfActions(1.0, None))
    foreseen, came = driven_rewards(vision, memory, controller, params, episodes, [0.0], seed=0)[0.0]
    assert foreseen == pytest.approx([0.25 * h for h in HORIZONS])
    assert came == HORIZONS
    assert len(memory.seen) == HORIZONS[-1]
    np.testing.assert_array_equal(memory.seen[0][:, 0].numpy(), episodes.obs[:, CONTEXT, 0, 0, 0])
