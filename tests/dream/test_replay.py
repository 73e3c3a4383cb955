"""Dreams along known actions, against memories whose dreams are known."""

import math

import pytest
import torch

from reverie.dream.replay import replay
from reverie.models.distributions import Mixture
from reverie.models.mdn_rnn import Memory, MemoryConfig, MemoryState, Prediction
from reverie.models.rewards import RewardConfig


class Adder(Memory):
    """A world in which each action is added to the latent, with normal noise of deviation `sigma`; the reward is 1 more
    than the last, and the end is certain from z[0] > 3 on."""

    def __init__(self, sigma: float, **config) -> None:
        config = {"reward": RewardConfig(scale=1.0), **config}
        super().__init__(MemoryConfig(hidden_size=4, num_mixtures=1, **config), z_size=2, action_size=2)
        self.sigma = sigma

    def step(self, z, act, state, prev_rew=None):
        rew = torch.zeros(len(z)) if prev_rew is None else prev_rew
        return MemoryState(torch.cat([z + act, rew[:, None], torch.zeros(len(z), 1)], -1)[:, None], state.c)

    def predict(self, hidden, z):  # noqa: ARG002
        mu = hidden[..., None, :2]
        mixture = Mixture(torch.zeros_like(mu), mu, torch.full_like(mu, math.log(self.sigma)))
        reward = self.reward.expected(hidden[..., 2:3] + 1)
        return Prediction(mixture, reward, torch.where(hidden[..., 0] > 3, 50.0, -50.0))


def test_dream_follows_the_actions():
    act = torch.tensor([[[1.0, 0.0], [1.0, 2.0], [1.0, 0.0], [1.0, -2.0]]])
    dream = replay(Adder(1.0), torch.tensor([[[0.0, 0.0]]]), act, temperature=0)
    assert dream.z[0].tolist() == [[0, 0], [1, 0], [2, 2], [3, 2], [4, 0]]
    assert dream.end is not None
    assert dream.end[0].round().tolist() == [0, 0, 0, 1]


def test_dream_begins_after_what_it_is_shown():
    shown = torch.tensor([[[0.0, 0.0], [10.0, 0.0], [20.0, 0.0]]])  # not what the actions lead to
    act = torch.ones(1, 4, 2)
    dream = replay(Adder(1.0), shown, act, temperature=0)
    assert dream.z[0, :, 0].tolist() == [0, 10, 20, 21, 22]


def test_dream_reads_real_rewards_while_it_sees_and_its_own_after():
    shown, rew = torch.zeros(1, 3, 2), torch.tensor([[0.0, 5.0, 7.0]])
    dream = replay(Adder(1.0), shown, torch.zeros(1, 5, 2), temperature=0, prev_rew=rew)
    assert dream.rew is not None
    assert dream.rew[0].tolist() == [1, 6, 8, 9, 10]


@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_variance_grows_with_temperature_and_time(temperature):
    b, t, sigma = 20_000, 3, 2.0
    generator = torch.Generator().manual_seed(0)
    dream = replay(
        Adder(sigma), torch.zeros(b, 1, 2), torch.zeros(b, t, 2), temperature=temperature, generator=generator
    )
    variance = dream.z.var(0).mean(-1)  # independent steps of variance temperature x sigma^2 add up
    expected = temperature * sigma**2 * torch.arange(t + 1)
    torch.testing.assert_close(variance, expected.float(), rtol=0.04, atol=1e-6)


def test_shown_everything_it_agrees_with_the_sequence_as_a_whole():
    generator = torch.Generator().manual_seed(1)
    memory = Memory(MemoryConfig(hidden_size=8, num_mixtures=3, reward_input=True), z_size=4, action_size=3)
    z, act, rew = (torch.randn(shape, generator=generator) for shape in ((5, 7, 4), (5, 7, 3), (5, 7)))
    dream = replay(memory, z, act, temperature=0, prev_rew=rew)
    with torch.no_grad():
        expected = memory.predict(memory(z, act, rew)[0], z)
    assert expected.reward is not None
    assert expected.end_logit is not None
    assert dream.z.shape == (5, 8, 4)
    torch.testing.assert_close(dream.z[:, :-1], z)
    torch.testing.assert_close(dream.z[:, -1], expected.z.sample(0)[:, -1])
    torch.testing.assert_close(dream.rew, expected.reward)
    torch.testing.assert_close(dream.end, torch.sigmoid(expected.end_logit))


def test_same_generator_same_dream():
    memory = Adder(1.0)
    shown, act = torch.zeros(2, 1, 2), torch.zeros(2, 6, 2)

    def dream(seed: int) -> torch.Tensor:
        return replay(memory, shown, act, temperature=1.0, generator=torch.Generator().manual_seed(seed)).z

    assert torch.equal(dream(3), dream(3))
    assert not torch.equal(dream(3), dream(4))


def test_memory_without_heads_or_with_a_sign():
    config = MemoryConfig(hidden_size=4, reward=RewardConfig(head="none"), end_head=False)
    bare = Memory(config, z_size=2, action_size=2)
    dream = replay(bare, torch.zeros(1, 1, 2), torch.zeros(1, 3, 2), temperature=1.0)
    assert (dream.rew, dream.end) == (None, None)
    sign = Adder(1.0, reward=RewardConfig(head="sign"))
    dream = replay(sign, torch.zeros(1, 1, 2), torch.zeros(1, 1, 2), temperature=0)
    assert dream.rew is not None
    probability = 1 / (1 + math.exp(-1))  # the logit of the first step is 1
    assert dream.rew.item() == pytest.approx(2 * probability - 1)


@pytest.mark.parametrize("num_shown", [0, 5])
def test_refuses_to_show_too_little_or_too_much(num_shown):
    with pytest.raises(AssertionError, match="1 to 4 latents"):
        replay(Adder(1.0), torch.zeros(1, num_shown, 2), torch.zeros(1, 3, 2), temperature=0)
