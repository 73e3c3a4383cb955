"""Plans, in worlds whose best way is known."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from reverie.actions import BoxActions
from reverie.dream.imagine import DreamConfig, imagine, recorded
from reverie.dream.moments import Moments, World
from reverie.dream.plan import PlanConfig, Planner, dreamt_returns
from reverie.errors import UserError
from reverie.models.controller import Controller, ControllerConfig
from reverie.models.distributions import Mixture
from reverie.models.mdn_rnn import Memory, MemoryConfig, MemoryState, Prediction
from reverie.types import LargestReturn

LINE = BoxActions(low=(-1.0,), high=(1.0,))
SEARCH = PlanConfig(samples=256, horizon=6, iterations=8, elites=16, hold=2.0, temperature=0.0)


class Walk(Memory):
    """A walk on a line by steps of the action: `worth` of where it leads (b,) is the reward, and `ends` where it is
    over. What happens by chance has the deviation `sigma`."""

    def __init__(self, worth, ends=lambda x: x > 1e6, sigma: float = 1e-6) -> None:
        super().__init__(MemoryConfig(hidden_size=2, num_mixtures=1), z_size=1, action_size=1)
        self.worth, self.ends, self.sigma = worth, ends, sigma

    def step(self, z, act, state, prev_rew=None):  # noqa: ARG002
        return MemoryState(torch.cat([z + act, act], -1)[:, None], state.c)

    def predict(self, hidden, z):  # noqa: ARG002
        mu = hidden[..., None, :1]
        mixture = Mixture(torch.zeros_like(mu), mu, torch.full_like(mu, float(np.log(self.sigma))))
        return Prediction(mixture, self.worth(hidden[..., 0]), torch.where(self.ends(hidden[..., 0]), 50.0, -50.0))


def world(largest: LargestReturn | None = None, max_decisions: int = 1000) -> World:
    return World(env_id="Line", actions=LINE, action_repeat=1, max_decisions=max_decisions, largest_return=largest)


def planner(
    memory: Memory, config: PlanConfig, bias: float | None = None, where: World | None = None, members: Sequence = ()
) -> Planner:
    """Follows a C whose output is `bias` wherever it is, if one is given."""
    controller = Controller(ControllerConfig(inputs="z"), 1, 2, LINE)
    params = None if bias is None else torch.tensor([0.0, bias])
    return Planner((memory, *members), where or world(), controller, params, config)


def first_plan(found: Planner, at: float = 0.0, so_far: tuple[float, int] = (0.0, 0), seed: int = 0) -> Tensor:
    chance, z = torch.Generator().manual_seed(seed), torch.tensor([[at]])
    states = [one.initial_state(1) for one in found.memories]
    return found.plan(z, torch.zeros(1), states, found.nothing(), so_far, chance)


def steps(found: Planner, plan: Tensor) -> list[float]:
    """The actions of a plan, where C's outputs do not depend on what is seen."""
    z = torch.zeros(len(plan), 1)
    return found.actions(z, found.memories[0].initial_state(len(plan)), plan)[:, 0].tolist()


def test_it_goes_where_the_reward_is_and_stays():
    found = planner(Walk(lambda x: -(x - 0.6).abs()), SEARCH)
    way = np.cumsum(steps(found, first_plan(found)))
    np.testing.assert_allclose(way, 0.6, atol=0.15)


def test_it_foresees_what_a_shorter_plan_cannot():
    """From 2.5 on there is something to earn; until there each step away from 0 costs."""
    memory = Walk(lambda x: torch.where(x > 2.5, 10.0, -x.abs()))
    near, far = (planner(memory, PlanConfig(**{**vars(SEARCH), "horizon": horizon})) for horizon in (2, 6))
    assert steps(near, first_plan(near))[0] == pytest.approx(0, abs=0.15)
    way = np.cumsum(steps(far, first_plan(far)))
    assert way[0] > 0.6
    assert way[-1] > 2.5


def test_after_the_end_there_is_nothing_to_earn():
    """Who goes where it is richest ends the episode on the way, and so does who crosses 0.5."""

    def worth(x: Tensor) -> Tensor:
        return torch.where(x > 1.6, 100.0, torch.where(x > 0.5, 0.0, x))

    free, stopped = planner(Walk(worth), SEARCH), planner(Walk(worth, ends=lambda x: x > 0.5), SEARCH)
    assert np.cumsum(steps(free, first_plan(free)))[1:].min() > 1.6
    way = np.cumsum(steps(stopped, first_plan(stopped)))
    np.testing.assert_allclose(way, 0.4, atol=0.15)
    assert way.max() < 0.55  # whoever crosses it for once earns nothing more


def test_a_dream_is_worth_what_the_world_would_pay():
    """Four decisions; with so much left to earn, so many of the frames gone, such ends."""
    memory = Walk(lambda x: x)
    begun = Moments(
        z=torch.zeros(4, 1),
        state=memory.initial_state(4),
        rew=torch.zeros(4),
        earned=torch.tensor([0.0, 95.0, 0.0, 0.0]),
        frames=torch.tensor([0, 0, 8, 0]),
    )
    dreamt = imagine(memory, recorded(torch.ones(4, 4, 1)), begun, 4, DreamConfig(temperature=0))
    ends = torch.zeros(4, 4)
    ends[3, :2] = 0.5
    found = dreamt_returns(dreamt._replace(end=ends), world(LargestReturn(total=100, frame_cost=0), 10), begun)
    # All of 1 + 2 + 3 + 4; 5 of it; 1 + 2, since time is up; half of 2, and a quarter of the rest.
    torch.testing.assert_close(found, torch.tensor([10.0, 5.0, 3.0, 1 + 1 + 7 / 4]))


def test_time_that_is_up_pays_nothing():
    memory = Walk(lambda x: torch.where(x > 2.5, 1000.0, -x.abs()))
    late = planner(memory, SEARCH, where=world(max_decisions=10))
    assert steps(late, first_plan(late, so_far=(0.0, 8)))[0] == pytest.approx(0, abs=0.15)
    assert steps(late, first_plan(late, so_far=(0.0, 4)))[0] > 0.5


def test_it_follows_c_and_betters_it():
    """C always goes 0.5 to the right; the best is to stay near 0."""
    memory = Walk(lambda x: -x.abs())
    bias = float(np.arctanh(0.5))
    follows = planner(memory, SEARCH, bias)
    assert steps(follows, follows.nothing()) == pytest.approx([0.5] * SEARCH.horizon)
    np.testing.assert_allclose(np.cumsum(steps(follows, first_plan(follows))), 0, atol=0.15)
    best = planner(Walk(lambda x: x), SEARCH, bias=20.0)  # as fast as can be: nothing betters it
    np.testing.assert_allclose(steps(best, first_plan(best)), 1)


def test_c_drives_on_beyond_the_plan():
    """A C that runs left at once throws away what a plan of two steps can earn, unless that begins far enough right."""
    memory = Walk(lambda x: torch.where(x < 0.9, -10.0, 0.0) - 0.01 * x.abs())
    short = PlanConfig(**{**vars(SEARCH), "horizon": 2})
    plain, tail = (planner(memory, PlanConfig(**{**vars(short), "tail": n}), bias=-0.55) for n in (0, 2))
    ends = [1.0 + sum(steps(one, first_plan(one, at=1.0))) for one in (plain, tail)]
    assert ends[0] < 1.5 < 1.8 < ends[1]


def test_the_same_seed_plans_the_same_and_another_otherwise():
    memory = Walk(lambda x: -(x - 0.6).abs(), sigma=0.1)
    found = planner(memory, PlanConfig(samples=16, horizon=4, iterations=2, elites=4, dreams=3, temperature=1.0))
    first, same, other = (first_plan(found, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_all_samples_meet_the_same_chance():
    """In a world of chance alone no plan is better than another."""
    found = planner(Walk(lambda x: x, sigma=5.0), PlanConfig(samples=8, horizon=5, elites=8, dreams=2, temperature=1.0))
    memory, z = found.memories[0], torch.zeros(1, 1)
    samples = torch.zeros(8, 5, 1)
    chance = torch.Generator().manual_seed(0)
    returns = found._returns(z, torch.zeros(1), [memory.initial_state(1)], samples, (0.0, 0), chance)
    assert returns.abs().min() > 0.1
    torch.testing.assert_close(returns, returns[:1].expand(8))


def test_drawn_members_have_their_say():
    """One M says right, another left, and the latter more loudly."""
    right, left = Walk(lambda x: x), Walk(lambda x: -3 * x)
    config = PlanConfig(**{**vars(SEARCH), "members": "random", "dreams": 8})
    alone, both = planner(right, SEARCH), planner(right, config, members=(left,))
    assert steps(alone, first_plan(alone))[0] > 0.5
    assert steps(both, first_plan(both))[0] < -0.5


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"samples": 4, "elites": 5}, "5 elites of 4 samples"),
        ({"tail": 3, "follow": False}, "does not follow C has no tail"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict, said: str):
    with pytest.raises(UserError, match=said):
        PlanConfig(**settings)


def test_what_cannot_be_planned_in_is_refused():
    with pytest.raises(UserError, match="needs an ensemble"):
        planner(Walk(lambda x: x), PlanConfig(members="random"))
