"""Dreams as tracks: whoever dreams the same one has the same luck, and nobody is paid what no world could give."""

import math

import numpy as np
import pytest
import torch

from reverie.actions import SteerGasBrake
from reverie.dream.ensemble import DoubtConfig, Member
from reverie.dream.imagine import DreamConfig
from reverie.dream.moments import Moments, World
from reverie.dream.tracks import DreamTracks
from reverie.errors import UserError
from reverie.lockstep import Lockstep
from reverie.models.distributions import Mixture
from reverie.models.mdn_rnn import Memory, MemoryState, Prediction
from reverie.rollout import Outcome, outcomes_of
from reverie.types import LargestReturn
from tests.dream.test_replay import Adder

WORLD = World(env_id="X", actions=SteerGasBrake(), action_repeat=4, max_decisions=250)


class Constant(Adder):
    """Whatever happens, it expects z = (mean, mean) and this reward, and no end."""

    def __init__(self, reward: float, mean: float = 0.0) -> None:
        super().__init__(1e-3)
        self.paid, self.mean = reward, mean

    def predict(self, hidden, z):  # noqa: ARG002
        mu = torch.full((*hidden.shape[:-1], 1, 2), self.mean)
        mixture = Mixture(torch.zeros_like(mu), mu, torch.full_like(mu, math.log(self.sigma)))
        return Prediction(mixture, torch.full(hidden.shape[:-1], self.paid), torch.full(hidden.shape[:-1], -50.0))


class Promises(Constant):
    """It expects these rewards, one after the other."""

    def __init__(self, rewards: list[float]) -> None:
        super().__init__(0.0)
        self.rewards = iter(rewards)

    def predict(self, hidden, z):
        self.paid = next(self.rewards)
        return super().predict(hidden, z)


class Acts:
    """Each dream has an action of its own, the same at every decision."""

    def __init__(self, act: list[list[float]]) -> None:
        self.act_of = torch.tensor(act)

    def reset(self, seeds) -> None:
        assert len(seeds) == len(self.act_of)

    def act(self, obs, prev_rew) -> torch.Tensor:  # noqa: ARG002
        return self.act_of

    def keep(self, mask) -> None:
        self.act_of = self.act_of[torch.from_numpy(mask)]


def member(memory: Memory, **known: torch.Tensor) -> Member:
    """With a bank of ten moments whose latents are (0, number)."""
    num = 10
    z = torch.stack([torch.zeros(num), torch.arange(float(num))], 1)
    state = memory.initial_state(num)
    return Member(memory=memory, moments=Moments(z=z, state=state, rew=torch.zeros(num), **known))


def tracks(*members: Member, num: int, bank: range = range(10), decisions: int = 8, world=WORLD, **rest) -> DreamTracks:
    config = rest.pop("config", DreamConfig())
    return DreamTracks(members, world, config, num, bank=torch.tensor(bank), decisions=decisions, **rest)


def dream(env: DreamTracks, seeds: list[int], act: list[list[float]]) -> tuple[list[Outcome], np.ndarray]:
    """What came of the dreams, and the latents (t, n, z) in them; NaN after their end."""
    episodes = Lockstep(env, Acts(act), seeds, max_decisions=env.decisions)
    seen = np.full((env.decisions + 1, len(seeds), 2), np.nan)
    seen[0] = episodes.obs.z

    def observer(rows, obs, act, step) -> None:  # noqa: ARG001
        seen[episodes.decisions[rows[0]], rows] = step.obs.z

    return outcomes_of(episodes, observer), seen


def test_the_same_track_is_the_same_moment_and_the_same_chance_whoever_dreams_beside() -> None:
    one = member(Adder(0.1))
    act = [[-0.5, 0.0], [-0.25, 0.0], [-0.5, 0.0], [-0.25, 0.0]]
    _, seen = dream(tracks(one, num=4), [3, 3, 7, 7], act)
    gain = seen[1:] - seen[:-1] - np.array(act)
    np.testing.assert_allclose(gain[:, 0], gain[:, 1], atol=1e-5)  # what chance added
    np.testing.assert_allclose(gain[:, 2], gain[:, 3], atol=1e-5)
    assert np.abs(gain[:, 0] - gain[:, 2]).min() > 1e-6
    assert 0.05 < gain.std() < 0.2
    _, alone = dream(tracks(one, num=1), [7], act[3:])
    np.testing.assert_allclose(alone[:, 0], seen[:, 3], atol=1e-5)


def test_tracks_begin_at_moments_of_their_bank() -> None:
    seeds = list(range(60))
    _, seen = dream(tracks(member(Adder(0.1)), num=60, bank=range(4, 7), decisions=1), seeds, [[0.0, 0.0]] * 60)
    assert set(seen[0, :, 1]) == {4, 5, 6}


def test_dreams_that_end_leave_the_others_alone() -> None:
    one = member(Adder(0.1))
    act = [[2.0, 0.0], [0.0, 0.0], [1.5, 0.0], [0.1, 0.0]]
    outcomes, seen = dream(tracks(one, num=4), [1, 2, 3, 4], act)
    assert [found.decisions for found in outcomes] == [2, 8, 3, 8]  # the end is certain from z[0] > 3 on
    assert [found.terminated for found in outcomes] == [True, False, True, False]
    assert [found.frames for found in outcomes] == [0] * 4
    for row in (1, 3):
        found, alone = dream(tracks(one, num=1), [row + 1], act[row : row + 1])
        np.testing.assert_allclose(alone[:, 0], seen[:, row], atol=1e-5)
        assert found[0].ret == pytest.approx(outcomes[row].ret) == pytest.approx(sum(range(1, 9)))


def test_an_m_that_promises_more_than_there_is_is_paid_what_there_is() -> None:
    largest = LargestReturn(total=1000.0, frame_cost=0.1)
    world = World(env_id="X", actions=SteerGasBrake(), action_repeat=4, max_decisions=250, largest_return=largest)
    known = {"earned": torch.full((10,), 300.0), "frames": torch.full((10,), 400)}
    for promise, decisions, exploits in ((150.0, 5, True), (50.0, 8, False)):
        env = tracks(member(Constant(promise), **known), num=2, world=world)
        outcomes, _ = dream(env, [1, 2], [[0.0, 0.0]] * 2)
        # 700 less 42 for 420 frames are all that is left to earn; five promises of 150 are more
        best = 1000 - 0.1 * (400 + 4 * decisions) - 300
        assert [found.ret for found in outcomes] == pytest.approx([min(best, promise * decisions)] * 2, rel=1e-5)
        assert [found.decisions for found in outcomes] == [decisions] * 2
        assert [found.terminated for found in outcomes] == [exploits] * 2
        assert env.excess.tolist() == pytest.approx([promise * decisions - best if exploits else 0] * 2, rel=1e-4)


@pytest.mark.parametrize(("pace", "rate"), [(1.0, 3.6), (1.5, 5.6), (0.0, math.inf)])
def test_speed_is_paid_up_to_a_pace_and_a_lap_in_full(pace: float, rate: float) -> None:
    """250 decisions of four frames, to earn 1,000 in: 4 a decision, of which .4 are gone."""
    largest = LargestReturn(total=1000.0, frame_cost=0.1)
    world = World(env_id="X", actions=SteerGasBrake(), action_repeat=4, max_decisions=250, largest_return=largest)
    known = {"earned": torch.full((10,), 300.0), "frames": torch.full((10,), 400)}
    for promise in (2.0, 5.0, 50.0):
        env = tracks(member(Constant(promise), **known), num=2, world=world, pace=pace)
        outcomes, _ = dream(env, [1, 2], [[0.0, 0.0]] * 2)
        assert [found.ret for found in outcomes] == pytest.approx([8 * min(promise, rate)] * 2, rel=1e-5)
    env = tracks(member(Constant(150.0), **known), num=1, world=world, pace=pace)
    (lap,), _ = dream(env, [1], [[0.0, 0.0]])
    assert lap.terminated
    assert lap.ret == pytest.approx(1000 - 0.1 * 420 - 300)


@pytest.mark.parametrize(
    ("promises", "ret"),
    [([0, 0, 0, 0, 6, 6, 6, 6], 24), ([6, 6, 6, 6, 0, 0, 0, 0], 24), ([9, 9], 8), ([0] * 7 + [40], 32)],
)
def test_a_pace_is_that_of_the_whole_dream(promises: list[float], ret: float) -> None:
    """4 a decision: who was slow makes up for it, and who is fast has it in hand, while the dream lasts."""
    largest = LargestReturn(total=1000.0, frame_cost=0.0)
    world = World(env_id="X", actions=SteerGasBrake(), action_repeat=4, max_decisions=250, largest_return=largest)
    env = tracks(member(Promises(promises)), num=1, world=world, decisions=len(promises), pace=1.0)
    outcomes, _ = dream(env, [1], [[0.0, 0.0]])
    assert outcomes[0].ret == ret


def test_rows_keep_their_own_account_when_others_are_over() -> None:
    largest = LargestReturn(total=1000.0, frame_cost=0.0)
    world = World(env_id="X", actions=SteerGasBrake(), action_repeat=4, max_decisions=250, largest_return=largest)
    frames = torch.tensor([992] + [0] * 9)  # the first moment has time for two decisions more
    env = tracks(member(Constant(5.0), frames=frames), num=20, world=world, pace=1.0)
    outcomes, _ = dream(env, list(range(20)), [[0.0, 0.0]] * 20)
    assert {(found.decisions, found.ret) for found in outcomes} == {(2, 8.0), (8, 32.0)}


def test_a_pace_needs_to_know_what_there_is_to_earn() -> None:
    with pytest.raises(UserError, match=r"controller\.dream\.pace needs the largest return.* X .*set it to 0"):
        tracks(member(Constant(1.0)), num=1, pace=1.0)


def test_a_dream_is_cut_when_the_time_of_its_episode_is_up() -> None:
    env = tracks(member(Constant(1.0), frames=torch.full((10,), 980)), num=1)
    outcomes, _ = dream(env, [1], [[0.0, 0.0]])
    assert outcomes[0][:4] == (5.0, 0, 5, False)


def test_a_judge_s_word_comes_true_while_c_reads_the_state_of_the_first() -> None:
    judged = tracks(member(Constant(1.0, mean=1.0)), member(Constant(5.0, mean=2.0)), num=3, speaks=1)
    outcomes, seen = dream(judged, [1, 2, 3], [[0.0, 0.0]] * 3)
    assert [found.ret for found in outcomes] == [40.0] * 3
    np.testing.assert_allclose(seen[1:], 2.0, atol=0.02)
    state = MemoryState(torch.full((10, 1, 4), 3.0), torch.zeros(10, 1, 4))
    first = member(Constant(1.0))
    first = Member(memory=first.memory, moments=Moments(z=first.moments.z, state=state, rew=first.moments.rew))
    assert (tracks(first, member(Constant(5.0)), num=1, speaks=1).reset(np.arange(1), [0]).state.h == 3).all()


def test_a_member_is_drawn_at_every_decision() -> None:
    config = DreamConfig(members="random")
    env = tracks(member(Constant(0.0)), member(Constant(1.0)), num=100, config=config)
    outcomes, _ = dream(env, list(range(100)), [[0.0, 0.0]] * 100)
    returns = np.array([found.ret for found in outcomes])
    assert returns.mean() == pytest.approx(4, abs=4 * math.sqrt(2 / 100))
    assert returns.std() > 1


def test_doubt_costs_and_cuts() -> None:
    # Their means are 1 and 2 in each dimension: a deviation of 0.5.
    pair = (member(Constant(1.0, mean=1.0)), member(Constant(7.0, mean=2.0)))
    outcomes, _ = dream(tracks(*pair, num=1, doubt=DoubtConfig(cost=0.2)), [1], [[0.0, 0.0]])
    assert outcomes[0].ret == pytest.approx(8 * (1 - 0.2 * 0.5))
    for cut, decisions in ((0.49, 1), (0.51, 8)):
        outcomes, _ = dream(tracks(*pair, num=1, doubt=DoubtConfig(cut=cut)), [1], [[0.0, 0.0]])
        assert (outcomes[0].decisions, outcomes[0].terminated) == (decisions, False)
