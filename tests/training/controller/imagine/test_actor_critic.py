"""Actor and critic in worlds whose best driver is known."""

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from reverie.actions import AnyActions, BoxActions, Categories
from reverie.dream.imagine import DreamConfig, controlled, imagine
from reverie.dream.moments import Moments, World
from reverie.errors import UserError
from reverie.models.controller import Controller, ControllerConfig
from reverie.models.distributions import Mixture
from reverie.models.mdn_rnn import Memory, MemoryConfig, MemoryState, Prediction
from reverie.models.rewards import RewardConfig
from reverie.run.imagine import ActorConfig, CriticConfig, ImagineConfig
from reverie.seeding import torch_generator, torch_seeded
from reverie.training.controller.imagine.actor import Actor
from reverie.training.controller.imagine.actor_critic import ActorCritic, DreamWorld
from reverie.training.controller.imagine.critic import Critic
from reverie.training.controller.search_space import SearchSpace

NUMBER = BoxActions(low=(-1.0,), high=(1.0,))
LEFT_OR_RIGHT = Categories(sizes=(2,), first=(0,))


class Integrator(Memory):
    """Actions are added to z, with hardly any noise. Where the car stands costs its square: at once, or `late`, one
    decision after it came there. A choice between two categories is a step of .3 to the left or to the right."""

    def __init__(self, *, late: bool = False, action_size: int = 1) -> None:
        config = MemoryConfig(hidden_size=2, num_mixtures=1, reward=RewardConfig(scale=1.0), end_head=False)
        super().__init__(config, z_size=1, action_size=action_size)
        self.late = late

    def step(self, z: Tensor, act: Tensor, state: MemoryState, prev_rew: Tensor | None = None) -> MemoryState:  # noqa: ARG002
        move = act if act.shape[-1] == 1 else 0.3 * (act[:, 1:] - act[:, :1])
        return MemoryState(torch.cat([z + move, z], -1)[:, None], state.c)

    def predict(self, hidden: Tensor, z: Tensor) -> Prediction:
        mu = hidden[..., None, :1]
        mixture = Mixture(torch.zeros_like(mu), mu, torch.full_like(mu, -5.0))
        return Prediction(mixture, -(z[..., 0] if self.late else hidden[..., 0]).square(), None)


def world(actions: AnyActions) -> World:
    return World(env_id="X", actions=actions, action_repeat=1, max_decisions=1000)


def moments(memory: Memory, b: int, step: int) -> Moments:
    rng = torch_generator(0, "places", step)
    return Moments(z=1.6 * torch.rand(b, 1, generator=rng) - 0.8, state=memory.initial_state(b), rew=torch.zeros(b))


SETTINGS = ImagineConfig(
    batch=64,
    horizon=4,
    discount=0.9,
    clip=0.0,
    actor=ActorConfig(rate=0.03, begins_at=0, entropy=0.0),
    critic=CriticConfig(hidden_size=32, num_bins=63, rate=3e-3, slow=0.1),
)


def learner(memory: Memory, actions: AnyActions, config: ImagineConfig) -> ActorCritic:
    controller = Controller(ControllerConfig(inputs="z"), 1, 2, actions)
    dreams = DreamWorld(memories=[memory.requires_grad_(False)], world=world(actions), config=DreamConfig())
    with torch_seeded(0, "learner"):
        actor = Actor(controller, SearchSpace(origin=np.zeros(controller.num_params)), config.actor)
        return ActorCritic(actor, Critic(config.critic, dreams.num_features), dreams, config)


def learn(both: ActorCritic, num_steps: int) -> list[dict[str, Tensor]]:
    memory, b = both.dreams.memories[0], both.config.batch
    return [
        both.step(step, [moments(memory, b, step)], torch_generator(0, "chance", step)) for step in range(num_steps)
    ]


@torch.no_grad()
def cost(both: ActorCritic, decisions: int = 3) -> float:
    """Mean square of where C, whose hands no longer shake, is after some decisions; .21 where it does nothing."""
    memory = both.dreams.memories[0]
    policy = controlled(both.actor.controller, both.actor.params[None])
    dreamt = imagine(memory, policy, moments(memory, 512, 10**6), decisions, chance=torch_generator(0, "test"))
    return float(dreamt.z[:, -1].square().mean())


@pytest.mark.parametrize("gradient", ["likelihood", "model"])
def test_it_finds_the_way_back(gradient: Literal["likelihood", "model"]) -> None:
    both = learner(Integrator(), NUMBER, replace(SETTINGS, actor=replace(SETTINGS.actor, gradient=gradient)))
    assert cost(both) == pytest.approx(0.64 / 3, rel=0.1)
    learn(both, 200)
    assert cost(both) < 0.01


@pytest.mark.parametrize("gradient", ["likelihood", "model"])
def test_it_finds_the_right_category(gradient: Literal["likelihood", "model"]) -> None:
    actor = replace(SETTINGS.actor, gradient=gradient)
    both = learner(Integrator(action_size=2), LEFT_OR_RIGHT, replace(SETTINGS, actor=actor))
    learn(both, 200)
    assert cost(both) < 0.05
    assert "std" not in learn(both, 1)[0]


@pytest.mark.parametrize("gradient", ["likelihood", "model"])
def test_what_comes_after_the_horizon_is_the_critics_word(gradient: Literal["likelihood", "model"]) -> None:
    """Here a decision pays only after the one that is dreamt: whoever does not care for what comes later learns
    nothing."""
    config = replace(SETTINGS, horizon=1, batch=128, actor=replace(SETTINGS.actor, gradient=gradient))
    both = learner(Integrator(late=True), NUMBER, config)
    learn(both, 300)
    assert cost(both) < 0.04
    if gradient == "model":  # the other one is 0 on average only
        blind = learner(Integrator(late=True), NUMBER, replace(config, discount=0.0))
        learn(blind, 3)
        assert not blind.actor.coordinates.any()


def test_the_critic_knows_the_return_of_who_drives() -> None:
    """Nothing is done, for no learning is allowed: each decision costs z^2 (and what shaking hands add)."""
    config = replace(SETTINGS, actor=ActorConfig(std=0.02, std_min=0.01, std_max=0.03, begins_at=10**6))
    both = learner(Integrator(), NUMBER, config)
    learn(both, 400)
    assert not both.actor.coordinates.any()
    z = torch.tensor([[-0.7], [0.0], [0.7]])
    features = torch.cat([z, torch.zeros(3, 2), torch.ones(3, 2)], -1)
    features[:, 1:3] = torch.cat([z, z], -1)
    value = both.critic.value(both.critic.net(features)).detach()
    torch.testing.assert_close(value, -(z[:, 0].square() + 0.005) / (1 - 0.9), atol=0.8, rtol=0.15)


def test_entropy_makes_hands_shake_more_and_reward_less() -> None:
    """In this world noise costs its square."""
    stds = [
        float(learn(learner(Integrator(), NUMBER, replace(SETTINGS, actor=actor)), 120)[-1]["std"])
        for actor in (replace(SETTINGS.actor, entropy=0.0), replace(SETTINGS.actor, entropy=1.0))
    ]
    assert stds[0] < 0.25 < 0.5 < stds[1]


def test_the_critic_learns_alone_at_first() -> None:
    both = learner(Integrator(), NUMBER, replace(SETTINGS, actor=replace(SETTINGS.actor, begins_at=3)))
    before = [weight.clone() for weight in both.critic.net.parameters()]
    values = learn(both, 3)
    assert not both.actor.coordinates.any()
    assert all("gradient_actor" not in value for value in values)
    assert any(not old.equal(new) for old, new in zip(before, both.critic.net.parameters(), strict=True))
    assert "gradient_actor" in both.step(3, [moments(both.dreams.memories[0], 64, 3)], torch_generator(0, "chance", 3))
    assert both.actor.coordinates.any()


@pytest.mark.parametrize("gradient", ["likelihood", "model"])
def test_it_goes_on_from_its_state_bit_for_bit(gradient: Literal["likelihood", "model"]) -> None:
    config = replace(SETTINGS, actor=replace(SETTINGS.actor, gradient=gradient, begins_at=2))
    whole, cut = (learner(Integrator(), NUMBER, config) for _ in range(2))
    values = learn(whole, 6)
    learn(cut, 3)
    again = learner(Integrator(), NUMBER, config)
    again.load_state(*cut.state())
    memory = again.dreams.memories[0]
    for step in (3, 4, 5):
        found = again.step(step, [moments(memory, 64, step)], torch_generator(0, "chance", step))
        assert all(torch.equal(found[name], value) for name, value in values[step].items())
    assert all(torch.equal(again.state()[0][name], value) for name, value in whole.state()[0].items())


def test_a_loss_that_is_no_number_is_said_and_changes_nothing() -> None:
    both = learner(Integrator(), NUMBER, SETTINGS)
    memory = both.dreams.memories[0]
    broken = replace(moments(memory, 64, 0), z=torch.full((64, 1), torch.nan))
    with pytest.raises(UserError, match=r"became no number at step 7: lower controller.imagine.actor.rate"):
        both.step(7, [broken], torch_generator(0, "chance"))
    assert not both.actor.coordinates.any()
