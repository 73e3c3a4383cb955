"""Lockstep against a world whose every return is known."""

from collections.abc import Sequence

import numpy as np
import pytest

from reverie.actions import BoxActions
from reverie.envs.picture import Picture
from reverie.envs.spec import EnvSpec
from reverie.envs.vector import Start, Transition
from reverie.errors import UserError
from reverie.lockstep import Lockstep
from reverie.rollout import rollout


class Countdown:
    """Row with seed s ends after s decisions of reward `act`; truncates after 9. The frame shows seed and time."""

    spec = EnvSpec(
        picture=Picture(shape=(64, 64, 3)),
        actions=BoxActions(low=(0.0,), high=(9.0,)),
        frames_per_second=1,
        progress="positive_reward",
    )

    def __init__(self, num_envs: int) -> None:
        self.num_envs = num_envs
        self.seed, self.time = np.zeros(num_envs, int), np.zeros(num_envs, int)
        self.stepped: list[list[int]] = []
        self.starts: list[Sequence[Start] | None] = []

    def _obs(self, rows) -> np.ndarray:
        obs = np.zeros((len(rows), 64, 64, 3), np.uint8)
        obs[:, 0, 0, 0], obs[:, 0, 0, 1] = self.seed[rows], self.time[rows]
        return obs

    def reset(self, rows, seeds, starts=None) -> np.ndarray:
        self.starts.append(starts)
        self.seed[rows], self.time[rows] = seeds, 0
        return self._obs(rows)

    def step(self, rows, act) -> Transition:
        self.stepped.append(list(rows))
        self.time[rows] += 1
        end, trunc = self.time[rows] >= self.seed[rows], self.time[rows] >= 9
        return Transition(self._obs(rows), act[:, 0].astype(float), end, trunc, np.full(len(rows), 4))

    def close(self) -> None: ...


class Echo:
    """Acts by what it sees, so that a mix-up of rows shows in the return."""

    def __init__(self, sign_after: int = 99) -> None:
        self.sign_after = sign_after

    def reset(self, seeds) -> None:
        self.rows = len(seeds)

    def act(self, obs, prev_rew) -> np.ndarray:
        assert len(obs) == len(prev_rew) == self.rows
        time = obs[:, 0, 0, 1].astype(float)
        value = obs[:, 0, 0, 0].astype(float)
        assert np.array_equal(prev_rew, np.where((time == 0) | (time > self.sign_after), 0, value))
        return np.where(time < self.sign_after, value, 0)[:, None].astype(np.float32)

    def keep(self, mask) -> None:
        assert len(mask) == self.rows
        self.rows = int(mask.sum())


def test_each_row_gets_its_own_return_and_ended_rows_are_not_stepped() -> None:
    env = Countdown(4)
    outcomes = rollout(env, Echo(), [3, 1, 2, 20])
    assert [outcome.ret for outcome in outcomes] == [9, 1, 4, 180]
    assert [outcome.decisions for outcome in outcomes] == [3, 1, 2, 9]
    assert [outcome.frames for outcome in outcomes] == [12, 4, 8, 36]
    assert [outcome.terminated for outcome in outcomes] == [True, True, True, False]
    assert env.stepped[:4] == [[0, 1, 2, 3], [0, 2, 3], [0, 3], [3]]


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("whose", ["action", "reward"])
def test_what_is_no_number_ends_the_loop_where_it_comes_up(whose: str, broken: float) -> None:
    class Broken(Countdown):
        def step(self, rows, act) -> Transition:
            step = super().step(rows, act)
            return step._replace(rew=np.where(self.time[rows] == 3, broken, step.rew))

    class Lost(Echo):
        def act(self, obs, prev_rew) -> np.ndarray:
            act = super().act(obs, prev_rew)
            return np.where(obs[:, 0, 0, 1][:, None] == 2, np.float32(broken), act)

    env, driver = (Countdown(2), Lost()) if whose == "action" else (Broken(2), Echo())
    with pytest.raises(UserError, match=rf"{whose} became no number at decision 2"):
        rollout(env, driver, [5, 4])
    assert len(env.stepped) == (2 if whose == "action" else 3), "no world is given an action that is none"


def test_more_seeds_than_rows_run_in_waves() -> None:
    assert [outcome.ret for outcome in rollout(Countdown(2), Echo(), [3, 1, 2, 4, 5])] == [9, 1, 4, 16, 25]


def test_an_episode_stalls_so_many_decisions_after_the_last_reward() -> None:
    outcomes = rollout(Countdown(2), Echo(sign_after=2), [8, 3], stall_decisions=3)
    assert [outcome.decisions for outcome in outcomes] == [5, 3]


def test_limit_on_decisions() -> None:
    assert [outcome.decisions for outcome in rollout(Countdown(2), Echo(), [8, 3], max_decisions=5)] == [5, 3]


def test_what_a_limit_cuts_is_truncated_and_only_the_world_ends() -> None:
    """Seeds 2 and 5 end by themselves, the one with the last decision allowed; 8 is cut there; 20 by the world's own
    limit, and where it stalls. (end, trunc) of the last decision of each."""

    def ends(limit: int | None, stall_decisions: int | None) -> dict[int, tuple[bool, bool]]:
        last: dict[int, tuple[bool, bool]] = {}

        def observe(rows, obs, act, step) -> None:  # noqa: ARG001
            last.update(zip(rows.tolist(), zip(step.end.tolist(), step.trunc.tolist(), strict=True), strict=True))

        policy = Echo(sign_after=2 if stall_decisions else 99)
        rollout(
            Countdown(4), policy, [2, 5, 8, 20], max_decisions=limit, stall_decisions=stall_decisions, observer=observe
        )
        return last

    cut, ended = (False, True), (True, False)
    assert ends(5, None) == {0: ended, 1: ended, 2: cut, 3: cut}
    assert ends(None, 3) == {0: ended, 1: ended, 2: cut, 3: cut}
    assert ends(None, None) == {0: ended, 1: ended, 2: ended, 3: cut}


def test_the_loop_stops_between_decisions() -> None:
    env = Countdown(3)
    episodes = Lockstep(env, Echo(), [3, 1])
    assert (env.stepped, episodes.obs[:, 0, 0, 0].tolist()) == ([], [3, 1])
    decided = next(episodes)
    assert (decided.rows.tolist(), decided.act[:, 0].tolist(), decided.step.end.tolist()) == (
        [0, 1],
        [3, 1],
        [False, True],
    )
    assert (episodes.rows.tolist(), episodes.decisions.tolist()) == ([0], [1, 1])
    assert (episodes.obs[:, 0, 0, 1].tolist(), episodes.prev_rew.tolist()) == ([1], [3])
    assert [one.rows.tolist() for one in episodes] == [[0], [0]]
    with pytest.raises(StopIteration):
        next(episodes)
    with pytest.raises(AssertionError, match="4 episodes do not fit into 3"):
        Lockstep(env, Echo(), [1, 2, 3, 4])


def test_the_observer_sees_what_was_acted_on_and_what_came() -> None:
    seen = []

    def observe(rows, obs, act, step) -> None:
        seen.append((rows.tolist(), obs[:, 0, 0, 1].tolist(), act[:, 0].tolist(), step.end.tolist()))

    rollout(Countdown(2), Echo(), [2, 3], observer=observe)
    assert seen == [
        ([0, 1], [0, 0], [2, 3], [False, False]),
        ([0, 1], [1, 1], [2, 3], [True, False]),
        ([1], [2], [3], [True]),
    ]


def test_one_controller_for_each_row_is_checked() -> None:
    from reverie.agent import Agent, AgentConfig
    from reverie.models.autoencoder import NetConfig
    from reverie.models.controller import Controller, ControllerConfig
    from reverie.models.mdn_rnn import Memory, MemoryConfig
    from reverie.models.vae import Vae, VaeConfig
    from reverie.policies import AgentPolicy

    controller = Controller(ControllerConfig(), 4, 8)
    agent = Agent(
        Vae(NetConfig(z_size=4), VaeConfig()), Memory(MemoryConfig(hidden_size=8), 4, 3), controller, AgentConfig()
    )
    with pytest.raises(AssertionError, match="2 controllers for 3 episodes"):
        AgentPolicy(agent, np.zeros((2, controller.num_params))).reset([0, 1, 2])


def test_each_wave_gets_its_own_starts() -> None:
    env, starts = Countdown(2), [Start(0.1 * i, 0.0, 0.0) for i in range(3)]
    rollout(env, Echo(), [3, 4, 5], starts=starts)
    assert env.starts == [starts[:2], starts[2:]]
    rollout(env, Echo(), [3])
    assert env.starts[-1] is None
