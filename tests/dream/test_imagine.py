"""Imagination: its numbers in worlds that are known, the same dream as elsewhere, and its gradients."""

import math
from dataclasses import replace

import pytest
import torch
from scipy.stats import norm
from torch import Tensor

from reverie.dream.dreamer import Dreamer
from reverie.dream.ensemble import Member
from reverie.dream.imagine import (
    Decision,
    DreamConfig,
    DreamPolicy,
    controlled,
    draw_noise,
    imagine,
    recorded,
)
from reverie.dream.moments import Moments
from reverie.dream.replay import replay
from reverie.errors import UserError
from reverie.models.controller import Controller, ControllerConfig
from reverie.models.distributions import MixtureNoise
from reverie.models.mdn_rnn import Memory, MemoryConfig, MemoryState
from reverie.models.rewards import RewardConfig
from reverie.seeding import torch_seeded
from tests.dream.test_dreamer import bank
from tests.dream.test_replay import Adder

HORIZON = 4


def born(seed: int, **config) -> Memory:
    """An M of two layers that reads rewards."""
    config = {"hidden_size": 5, "num_layers": 2, "num_mixtures": 3, "reward_input": True, **config}
    with torch_seeded(seed, "imagined"):
        return Memory(MemoryConfig(**config), z_size=3, action_size=3).requires_grad_(False)


def some_moments(memory: Memory, b: int) -> Moments:
    return Moments(
        z=torch.linspace(-1, 1, b * 3, dtype=memory.head.weight.dtype).reshape(b, 3),
        state=memory.initial_state(b),
        rew=torch.linspace(-2, 2, b, dtype=memory.head.weight.dtype),
    )


def chance(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def double(memory: Memory, b: int, seed: int = 3) -> tuple[Memory, Moments, MixtureNoise]:
    """For differences that are finite: the same in double precision, and noise for `HORIZON` decisions."""
    noise = draw_noise(memory, b, HORIZON, chance(seed)).mixture
    memory = memory.double()
    return memory, some_moments(memory, b), MixtureNoise(*(part.double() for part in noise))


def test_a_known_world_in_numbers() -> None:
    """Each action is added to the latent, each reward is 1 more than the last, and the end is sure above 3."""
    memory = Adder(2.0)
    start = Moments(z=torch.tensor([[1.0, 0.0]]), state=memory.initial_state(1), rew=torch.tensor([5.0]))
    noise = draw_noise(memory, 1, 3, chance(0))
    act = torch.tensor([[[1.0, 0.5], [1.0, -1.0], [1.0, 0.0]]])
    found = imagine(memory, recorded(act), start, 3, chance=noise)
    moved = act.cumsum(1) + 2 * noise.mixture.normal.cumsum(1)
    torch.testing.assert_close(found.z[0, 1:], start.z + moved[0])
    assert torch.equal(found.z[:, 0], start.z)
    assert torch.equal(found.act, act)
    assert found.logp_act is None
    expected = norm.logpdf(noise.mixture.normal.numpy()).sum(-1) - 2 * math.log(2)
    torch.testing.assert_close(found.logp_z, torch.from_numpy(expected).float())
    assert found.rew is not None
    assert found.rew.tolist() == [[6, 7, 8]]
    assert found.end is not None
    torch.testing.assert_close(found.end, ((found.z[:, :-1] + act)[..., 0] > 3).float())
    assert (found.h.shape, found.doubt) == ((1, 4, 1, 4), None)
    assert torch.equal(found.state(0).h, start.state.h)
    torch.testing.assert_close(found.state(1).top[:, :2], (start.z + act[:, 0]))


@pytest.mark.parametrize("temperature", [0.0, 0.7])
@pytest.mark.parametrize("mixture", ["per_dimension", "shared"])
def test_it_is_the_dream_of_the_dreamer_and_the_replay(temperature: float, mixture: str) -> None:
    memory = born(0, end_head=False, mixture=mixture)
    moments, act = some_moments(memory, 4), torch.randn(4, HORIZON, 3, generator=chance(1))
    config = DreamConfig(temperature=temperature)
    found = imagine(memory, recorded(act), moments, HORIZON, config, chance=chance(2))
    dreamer = Dreamer(memory, moments, 4, config, chance(2))
    dreamer.begin(torch.arange(4))
    steps = [dreamer.step(act[:, i]) for i in range(HORIZON)]
    assert torch.equal(found.z[:, 1:], torch.stack([one.z for one in steps], 1))
    assert found.rew is not None
    assert torch.equal(found.rew, torch.stack([one.rew for one in steps], 1))
    assert torch.equal(found.h[:, -1], dreamer.state.h)
    shown = (moments.z[:, None], act)
    again = replay(memory, *shown, temperature=temperature, generator=chance(2), prev_rew=moments.rew[:, None])
    assert torch.equal(found.z, again.z)


def test_the_policy_is_given_what_c_reads() -> None:
    memory = born(0)
    controller = Controller(ControllerConfig(inputs="zhc"), 3, 5)
    params = torch.randn(4, controller.num_params, generator=chance(0))
    found = imagine(memory, controlled(controller, params), some_moments(memory, 4), HORIZON, chance=chance(1))
    for i in range(HORIZON):
        assert torch.equal(found.act[:, i], controller.act(params, found.z[:, i], found.state(i)))
    one = imagine(memory, controlled(controller, params[:1]), some_moments(memory, 4), HORIZON, chance=chance(1))
    torch.testing.assert_close(one.act[0], found.act[0])
    assert not torch.allclose(one.act[1], found.act[1])


def test_the_same_noise_is_the_same_dream_and_another_another() -> None:
    memory, act = born(0), torch.zeros(4, HORIZON, 3)

    def dream(seed: int) -> Tensor:
        noise = draw_noise(memory, 4, HORIZON, chance(seed))
        return imagine(memory, recorded(act), some_moments(memory, 4), HORIZON, chance=noise).z

    assert torch.equal(dream(0), dream(0))
    assert not torch.isclose(dream(0)[:, 1:], dream(1)[:, 1:]).any()


def returns(memory: Memory, policy: DreamPolicy, moments: Moments, noise: MixtureNoise, **settings) -> Tensor:
    """(b,) sums of rewards, weighted by how likely the dream lasts until then."""
    from reverie.dream.imagine import Noise

    found = imagine(memory, policy, moments, HORIZON, chance=Noise(noise, None), **settings)
    assert found.rew is not None
    assert found.end is not None
    lasts = torch.cumprod(1 - found.end, 1)
    return found.rew[:, 0] + (found.rew[:, 1:] * lasts[:, :-1]).sum(1)


@pytest.mark.parametrize("head", ["value", "two_hot"])
def test_the_gradient_of_the_return_is_that_of_finite_differences(head) -> None:
    """By the parameters of C, through M and its draws, with the noise held fast."""
    memory, moments, noise = double(born(1, reward=RewardConfig(head=head, num_bins=7)), 6)
    controller = Controller(ControllerConfig(), 3, 5)
    params = 0.3 * torch.randn(1, controller.num_params, generator=chance(4), dtype=torch.float64)

    def mean_return(params: Tensor) -> Tensor:
        return returns(memory, controlled(controller, params), moments, noise).mean()

    mean_return(params.requires_grad_()).backward()
    assert params.grad is not None
    with torch.no_grad():
        steps = 1e-6 * torch.eye(controller.num_params, dtype=torch.float64)
        numeric = torch.stack([(mean_return(params + s) - mean_return(params - s)) / 2e-6 for s in steps])
    torch.testing.assert_close(params.grad[0], numeric, rtol=1e-4, atol=1e-7)
    assert (numeric.abs() > 1e-4).sum() > controller.num_params // 2


def gaussian(mean: Tensor, noise: Tensor) -> DreamPolicy:
    """Actions (b, 3) drawn around `mean` (3,), with deviation 1."""
    left = iter(noise.unbind(1))

    def decide(z: Tensor, state: MemoryState) -> Decision:  # noqa: ARG001
        act = (mean + next(left)).detach()
        return Decision(act, torch.distributions.Normal(mean, 1.0).log_prob(act).sum(-1))

    return decide


def test_without_a_gradient_through_the_model_the_policy_s_own_is_left() -> None:
    """The likelihood-ratio estimate, which is right on average: of rewards that are the first number of the action."""

    class Pays(Memory):
        def predict(self, hidden, z):
            return super().predict(hidden, z)._replace(reward=self.paid)

        def step(self, z, act, state, prev_rew=None):
            self.paid = act[:, 0]
            return super().step(z, act, state, prev_rew)

    with torch_seeded(0, "pays"):
        memory = Pays(MemoryConfig(hidden_size=2), 3, 3).requires_grad_(False)
    b, mean = 20_000, torch.zeros(3, requires_grad=True)
    noise = torch.randn(b, 2, 3, generator=chance(0))
    found = imagine(memory, gaussian(mean, noise), some_moments(memory, b), 2, chance=chance(1), through_model=False)
    assert found.rew is not None
    assert found.logp_act is not None
    assert not found.rew.requires_grad
    assert not found.z.requires_grad
    (found.rew.sum(1) * found.logp_act.sum(1)).mean().backward()
    assert mean.grad is not None
    torch.testing.assert_close(mean.grad, torch.tensor([2.0, 0.0, 0.0]), rtol=0, atol=0.06)  # four deviations


def test_a_policy_s_own_gradient_does_not_leak_into_a_dream_that_is_taken_as_it_came() -> None:
    memory = born(0)
    act = torch.zeros(2, HORIZON, 3, requires_grad=True)
    found = imagine(memory, recorded(act), some_moments(memory, 2), HORIZON, chance=chance(0), through_model=False)
    assert found.act.requires_grad
    assert not any(part.requires_grad for part in (found.z, found.h, found.rew, found.end) if part is not None)


def test_an_ensemble_s_members_are_drawn_by_the_noise() -> None:
    """Rewards of 0 and 1 tell the members apart; each keeps a state of its own."""
    memories = [born(seed) for seed in (0, 1)]
    for memory, reward in zip(memories, (0.0, 1.0), strict=True):
        memory.head.weight[-2].zero_()
        memory.head.bias[-2] = reward / memory.config.reward.scale
    moments, config = some_moments(memories[0], 40), DreamConfig(members="random")
    members = [Member(memory=memories[1], moments=replace(moments, state=bank(memories[1], 40).state))]
    noise = draw_noise(memories[0], 40, HORIZON, chance(0), num_members=2)
    act = torch.zeros(40, HORIZON, 3)
    found = imagine(memories[0], recorded(act), moments, HORIZON, config, chance=noise, members=members)
    assert noise.member is not None
    assert found.rew is not None
    torch.testing.assert_close(found.rew, noise.member.float())
    assert found.doubt is not None
    assert (found.doubt > 0).all()
    drawn = imagine(memories[0], recorded(act), moments, HORIZON, config, chance=chance(5), members=members)
    dreamer = Dreamer(memories[0], moments, 40, config, chance(5), members)
    dreamer.begin(torch.arange(40))
    assert torch.equal(dreamer.step(act[:, 0]).z, drawn.z[:, 1])
    with pytest.raises(UserError, match="members 'random' needs an ensemble"):
        imagine(memories[0], recorded(act), moments, HORIZON, config, chance=noise)


def test_a_memory_without_heads_still_dreams() -> None:
    memory = born(0, reward_input=False, reward=RewardConfig(head="none"), end_head=False)
    found = imagine(memory, recorded(torch.zeros(2, 3, 3)), some_moments(memory, 2), 3, chance=chance(0))
    assert (found.rew, found.end, found.z.shape) == (None, None, (2, 4, 3))
