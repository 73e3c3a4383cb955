"""Controllers in dreams whose rewards and ends are known."""

import numpy as np
import pytest
import torch

from reverie.dream.dreamer import Dreamer
from reverie.dream.imagine import DreamConfig
from reverie.dream.moments import Moments
from reverie.dream.rollout import ControllerPolicy, Dreaming, rollout_dreams
from reverie.lockstep import Lockstep
from reverie.models.controller import Controller, ControllerConfig
from reverie.models.distributions import Mixture
from reverie.models.mdn_rnn import Memory, MemoryConfig, MemoryState, Prediction


class Counter(Memory):
    """z counts decisions from its start on; the reward is the gas, and the end is certain at z = `last`."""

    def __init__(self, last: float) -> None:
        super().__init__(MemoryConfig(hidden_size=2, num_mixtures=1), z_size=1, action_size=3)
        self.last = last

    def step(self, z, act, state, prev_rew=None):  # noqa: ARG002
        return MemoryState(torch.cat([z + 1, act[:, 1:2]], -1)[:, None], state.c)

    def predict(self, hidden, z):  # noqa: ARG002
        mu = hidden[..., None, :1]
        return Prediction(
            Mixture(torch.zeros_like(mu), mu, torch.full_like(mu, -20)),
            hidden[..., 1],
            torch.where(hidden[..., 0] >= self.last, 50.0, -50.0),
        )


def drives(last: float, params: np.ndarray, num_decisions: int):
    memory = Counter(last)
    moments = Moments(z=torch.zeros(1, 1), state=memory.initial_state(1), rew=torch.zeros(1))
    dreamer = Dreamer(memory, moments, len(params), DreamConfig(temperature=0.0), torch.Generator().manual_seed(0))
    controller = Controller(ControllerConfig(inputs="z"), 1, 2)
    return rollout_dreams(dreamer, controller, params, num_decisions)


def gas(values: list[float]) -> np.ndarray:
    """Controllers that hold the gas at `values`, whatever they see: (n, 6), weights before biases."""
    params = np.zeros((len(values), 6))
    params[:, -2] = np.arctanh(2 * np.array(values) - 1)  # gas is (tanh + 1) / 2
    return params


def test_each_controller_earns_its_own_rewards_until_the_end():
    found = drives(5.0, gas([0.25, 0.75]), 8)
    assert found.decisions.tolist() == [5, 5]
    np.testing.assert_allclose(found.returns, [5 * 0.25, 5 * 0.75], rtol=1e-5)
    assert not found.rew[:, 5:].any()


def test_the_limit_ends_what_the_world_does_not():
    found = drives(100.0, gas([0.5]), 7)
    assert found.decisions.tolist() == [7]
    assert found.rew.shape == (1, 7)
    np.testing.assert_allclose(found.returns, [3.5], rtol=1e-5)


def counting(last: float, num: int) -> Dreamer:
    """Dreams of a bank whose moment i stands at z = i."""
    memory = Counter(last)
    moments = Moments(z=torch.arange(9.0)[:, None], state=memory.initial_state(9), rew=torch.zeros(9))
    return Dreamer(memory, moments, num, DreamConfig(temperature=0.0), torch.Generator().manual_seed(0))


def test_dreams_are_episodes_of_the_loop_that_acts_on_the_road_too():
    """Each begins at the moment that its seed names, ends by itself, and leaves the others as they are."""
    controller = Controller(ControllerConfig(inputs="z"), 1, 2)
    policy = ControllerPolicy(controller, torch.from_numpy(gas([0.25, 0.5, 0.75])).float())
    seen = []
    for rows, obs, act, step in Lockstep(Dreaming(counting(5.0, 3)), policy, [3, 1, 4]):
        seen.append((rows.tolist(), obs.z[:, 0].tolist(), step.obs.z[:, 0].tolist(), step.end.tolist()))
        np.testing.assert_allclose(act[:, 1], np.array([0.25, 0.5, 0.75])[rows], rtol=1e-5)
        np.testing.assert_allclose(step.rew, act[:, 1])
        assert torch.equal(step.obs.state.top[:, 1], act[:, 1])
        assert not step.trunc.any()
    assert seen == [
        ([0, 1, 2], [3, 1, 4], [4, 2, 5], [False, False, True]),
        ([0, 1], [4, 2], [5, 3], [True, False]),
        ([1], [3], [4], [False]),
        ([1], [4], [5], [True]),
    ]


def test_moments_are_given_or_drawn_by_the_seed():
    controller = Controller(ControllerConfig(inputs="z"), 1, 2)

    def decisions(moments: torch.Tensor | None) -> list[int]:
        return rollout_dreams(counting(9.0, 4), controller, gas([0.5] * 4), 20, moments).decisions.tolist()

    assert decisions(torch.tensor([8, 0, 3, 8])) == [1, 9, 6, 1]
    assert decisions(None) == decisions(None) == (9 - counting(9.0, 4).draw()).tolist()
    with pytest.raises(AssertionError, match="3 controllers for 4 dreams"):
        rollout_dreams(counting(9.0, 4), controller, gas([0.5] * 3), 20)
