"""The probability of what C's shaking hands do, against torch's distributions and sums over all there is."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, Normal, TransformedDistribution
from torch.distributions.transforms import TanhTransform

from reverie.actions import Categories
from reverie.models.controller import Controller, ControllerConfig
from reverie.models.mdn_rnn import MemoryState
from reverie.run.imagine import ActorConfig
from reverie.training.controller.imagine.actor import Actor, log_slope
from reverie.training.controller.search_space import SearchSpace

CATEGORIES = Categories(sizes=(3, 2), first=(0, 0), shape=(2,))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def driver(std: float = 0.3, std_min: float = 0.05, std_max: float = 1.0) -> Actor:
    """Two outputs, from 3 inputs."""
    controller = Controller(ControllerConfig(inputs="z", action="steer_pedal"), 3, 4)
    origin = torch.randn(controller.num_params, generator=rng(), dtype=torch.float64).numpy()
    return Actor(controller, SearchSpace(origin=origin), ActorConfig(std=std, std_min=std_min, std_max=std_max))


def chooser() -> Actor:
    controller = Controller(ControllerConfig(inputs="z"), 3, 4, CATEGORIES)
    return Actor(controller, SearchSpace(origin=np.zeros(controller.num_params)), ActorConfig())


def state(b: int) -> MemoryState:
    return MemoryState(torch.zeros(b, 1, 4), torch.zeros(b, 1, 4))


def test_squashed_numbers_have_the_density_of_torchs() -> None:
    actor = driver(std=0.5)
    out = torch.randn(50, 2, generator=rng(1))
    drawn = actor.draw(out, rng(2))
    reference = TransformedDistribution(Normal(out.double(), 0.5), [TanhTransform()])
    expected = reference.log_prob(torch.tanh(drawn.double())).sum(-1)
    torch.testing.assert_close(actor.log_prob(drawn, out).double(), expected, rtol=1e-4, atol=1e-4)


def test_the_density_of_what_is_done_integrates_to_1() -> None:
    actor, grid = driver(std=0.9), torch.linspace(-0.9999, 0.9999, 4001, dtype=torch.float64)
    u = torch.atanh(grid).float()
    out = torch.tensor([0.4, -0.3])
    both = torch.stack([u, torch.zeros_like(u)], -1)
    fixed = actor.log_prob(torch.zeros(2), out) - one(actor, 0.0, out, 0)
    density = (actor.log_prob(both, out) - fixed).exp().detach().double()
    assert torch.trapezoid(density, grid).item() == pytest.approx(1, abs=2e-3)


def one(actor: Actor, drawn: float, out: Tensor, output: int) -> Tensor:
    """The log density of one output alone."""
    u = torch.tensor(drawn)
    return Normal(out[output], actor.std[output]).log_prob(u) - log_slope(u)


def test_the_slope_of_tanh_far_out() -> None:
    x = torch.tensor([-40.0, -3.0, 0.0, 0.5, 40.0], dtype=torch.float64)
    exact = torch.log(1 / torch.cosh(x) ** 2)
    torch.testing.assert_close(log_slope(x), exact)
    assert log_slope(torch.tensor(-100.0)).item() == pytest.approx(-200 + math.log(4), rel=1e-6)


def test_the_entropy_of_squashed_numbers_and_its_slopes() -> None:
    """Against a sum over a grid: the mean of the estimates, and of their gradients by mean and deviation."""
    actor, n = driver(std=0.7), 200_000
    out = torch.tensor([0.8, -0.4], requires_grad=True)
    drawn = actor.draw(out.detach().expand(n, 2), rng(3)).detach()
    estimate = actor.entropy(drawn, out.expand(n, 2)).mean()
    grads = torch.autograd.grad(estimate, [out, actor.spread])

    def exact(out: Tensor, std: Tensor) -> Tensor:
        u = torch.linspace(-12, 12, 20_001, dtype=torch.float64)[:, None]
        log_u = Normal(out.double(), std.double()).log_prob(u)
        return -torch.trapezoid(log_u.exp() * (log_u - log_slope(u)), u, dim=0).sum()

    reference = exact(out, actor.std)
    assert estimate.item() == pytest.approx(reference.item(), abs=5e-3)
    for found, wanted in zip(grads, torch.autograd.grad(reference, [out, actor.spread]), strict=True):
        torch.testing.assert_close(found, wanted.float(), atol=1e-2, rtol=0)


def test_without_noise_it_is_c() -> None:
    actor = driver()
    z = torch.randn(9, 3, generator=rng(4))
    act = actor.controller.actions.from_outputs(actor.outputs(z, state(9)))
    expected = actor.controller.act(actor.params.expand(9, -1), z, state(9))
    torch.testing.assert_close(act, expected)


def test_choices_are_drawn_as_likely_as_it_says() -> None:
    actor, n = chooser(), 100_000
    out = torch.tensor([1.0, 0.0, -2.0, 0.5, 0.0])
    drawn = actor.draw(out.expand(n, 5), rng(5))
    found = drawn[:, :3].argmax(-1) * 2 + drawn[:, 3:].argmax(-1)
    first, second = Categorical(logits=out[:3]), Categorical(logits=out[3:])
    exact = (first.probs[:, None] * second.probs[None]).flatten()
    torch.testing.assert_close(found.bincount(minlength=6) / n, exact, atol=6e-3, rtol=0)
    torch.testing.assert_close(actor.log_prob(drawn, out.expand(n, 5)), exact.log()[found])
    entropy = actor.entropy(drawn, out.expand(n, 5))
    torch.testing.assert_close(entropy, (first.entropy() + second.entropy()).expand(n))


def test_the_slope_of_a_likelihood_moves_c_and_its_deviation() -> None:
    """The score has mean 0, and weighs what was done: an output drawn above the mean pulls it up."""
    actor, n = driver(std=0.5), 100_000
    out = torch.zeros(2, requires_grad=True)
    drawn = actor.draw(out.detach().expand(n, 2), rng(6)).detach()
    logp = actor.log_prob(drawn, out.expand(n, 2))
    score = torch.autograd.grad(logp.mean(), [out, actor.spread], retain_graph=True)
    assert all(part.abs().max() < 0.02 for part in score)
    pulled = torch.autograd.grad((logp * drawn[:, 0]).mean(), out)[0]  # d/dm E[u] = 1
    torch.testing.assert_close(pulled, torch.tensor([1.0, 0.0]), atol=0.02, rtol=0)


def test_deviations_begin_where_they_are_asked_to_and_stay_in_bounds() -> None:
    actor = driver(std=0.3, std_min=0.1, std_max=0.5)
    torch.testing.assert_close(actor.std, torch.full((2,), 0.3))
    with torch.no_grad():
        actor.spread.copy_(torch.tensor([-1e3, 1e3]))
    torch.testing.assert_close(actor.std, torch.tensor([0.1, 0.5]))
