"""Calibration and impossible returns, where the answer is known."""

import numpy as np
import pytest
import torch

from reverie.actions import SteerGasBrake
from reverie.dream.dreamer import Dreams
from reverie.dream.ensemble import Member
from reverie.dream.moments import Moments, World
from reverie.measure.dream.returns import calibration, dream_returns, judged_returns, ranks_above
from reverie.models.autoencoder import NetConfig
from reverie.models.controller import Controller, ControllerConfig
from reverie.models.mdn_rnn import Memory, MemoryConfig
from reverie.models.rewards import RewardConfig
from reverie.models.vae import Vae, VaeConfig
from reverie.types import LargestReturn, SequenceBatch


def constant_memory(reward: float, end: float) -> Memory:
    """Whatever happens, it expects this reward, and the end with this probability."""
    config = MemoryConfig(hidden_size=4, num_mixtures=1, reward=RewardConfig(head="value", scale=1.0))
    memory = Memory(config, z_size=2, action_size=3)
    with torch.no_grad():
        memory.head.weight.zero_()
        memory.head.bias.zero_()
        memory.head.bias[-2] = reward
        memory.head.bias[-1] = np.log(end / (1 - end))
    return memory


def returns(reward: float, end: float = 1e-9, num_decisions: int = 100, num_dreams: int = 3):
    memory = constant_memory(reward, end)
    moments = Moments(z=torch.zeros(1, 2), state=memory.initial_state(1), rew=torch.zeros(1))
    world = World(env_id="x", actions=SteerGasBrake(), action_repeat=4, max_decisions=250)
    dreams = Dreams(Vae(NetConfig(z_size=2), VaeConfig()), memory, moments, world)
    controller = Controller(ControllerConfig(), 2, 4)
    return dream_returns(
        dreams,
        controller,
        np.zeros((2, controller.num_params)),
        temperature=1.0,
        num_dreams=num_dreams,
        num_decisions=num_decisions,
        seed=0,
        largest=LargestReturn(total=1000, frame_cost=0.1),
    )


def test_a_return_is_impossible_from_the_moment_it_beats_all_tiles_less_the_frames():
    # After 100 decisions of 4 frames the most is 1000 - 0.1 x 400 = 960.
    possible, impossible = returns(9.59), returns(9.61)
    assert possible.dream[0, 0] == pytest.approx(959, rel=1e-5)
    assert not possible.impossible.any()
    assert impossible.impossible.all()


def test_frames_stop_with_the_end():
    """The bound of a dream that ended is that of its end, which is higher than at the limit."""
    found = returns(98.0, end=0.2, num_dreams=400)
    assert found.decisions.mean() == pytest.approx(5, abs=0.5)  # geometric
    expected = found.decisions * 98.0 > 1000 - 0.4 * found.decisions
    np.testing.assert_array_equal(found.impossible, expected)
    assert 0 < expected.mean() < 1


def test_calibration_bins_by_expectation_and_counts_ends():
    memory = Memory(MemoryConfig(hidden_size=4, num_mixtures=1, reward=RewardConfig(head="value", scale=1.0)), 1, 1)
    with torch.no_grad():
        memory.head.weight[-1].zero_()
        memory.head.bias[-1] = 0.0  # an even chance to end
    draw = torch.Generator().manual_seed(0)
    z, act = torch.randn(20, 6, 1, generator=draw), torch.randn(20, 5, 1, generator=draw)
    with torch.no_grad():
        expected = memory.predict(memory(z[:, :-1], act)[0], z[:, :-1]).reward
    assert expected is not None
    mask = torch.ones(20, 5)
    mask[:, 4] = 0
    end = torch.zeros(20, 5)
    end[:3, 3] = 1
    batch = SequenceBatch(z=z, act=act, rew=expected + 0.5, prev_rew=torch.zeros(20, 5), end=end, mask=mask)
    found = calibration(memory, [batch], bins=4)
    assert found.steps == 80
    np.testing.assert_allclose(np.array(found.found) - found.expected, 0.5, atol=1e-5)
    assert list(found.expected) == sorted(found.expected)
    assert found.expected[-1] > found.expected[0] + 0.05
    assert found.error == pytest.approx(0.5, abs=1e-5)
    assert found.expected_ends == pytest.approx(40)
    assert found.found_ends == 3


def test_good_controllers_are_ranked_apart():
    """Among all, the dream is right; among the good ones it has them in the opposite order."""
    real = np.repeat(np.array([0.0, 100, 200, 800, 820, 840, 860])[:, None], 4, 1)
    dream = np.repeat(np.array([0.0, 10, 20, 94, 93, 92, 91])[:, None], 3, 1)
    found = ranks_above(dream, real, 800, seed=0)
    assert found is not None
    assert (found.num, found.rho, found.road) == (4, pytest.approx(-1), pytest.approx(1))
    assert found.interval[0] == pytest.approx(-1)
    assert ranks_above(dream, real, -1, seed=0).rho > 0.5  # pyright: ignore[reportOptionalMemberAccess]
    assert ranks_above(dream, real, 801, seed=0) is None


def test_the_last_member_judges_by_its_own_word():
    """Each M of three pays another reward for every decision, whatever is done."""
    memories = [constant_memory(pays, 1e-9) for pays in (1.0, 5.0, 2.0)]
    banks = [Moments(z=torch.zeros(3, 2), state=one.initial_state(3), rew=torch.zeros(3)) for one in memories]
    members = tuple(Member(memory=one, moments=bank) for one, bank in zip(memories[1:], banks[1:], strict=True))
    world = World(env_id="x", actions=SteerGasBrake(), action_repeat=4, max_decisions=100)
    dreams = Dreams(Vae(NetConfig(z_size=2), VaeConfig()), memories[0], banks[0], world, members)
    controller = Controller(ControllerConfig(), 2, 4)
    drivers = controller, np.zeros((2, controller.num_params))
    found = judged_returns(dreams, *drivers, num_dreams=5, num_decisions=4, seed=0)
    assert found is not None
    np.testing.assert_allclose(found, np.full((2, 5), 4 * 2.0), rtol=1e-5)
    alone = dreams._replace(members=())
    assert judged_returns(alone, *drivers, num_dreams=5, num_decisions=4, seed=0) is None
