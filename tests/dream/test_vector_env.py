"""Many dreams as one vector environment: what Gymnasium documents of those, and that a row is a dream like any."""

import os
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from scipy.stats import wasserstein_distance

import reverie.dream
from reverie.actions import BoxActions
from reverie.dream.dreamer import Dreams
from reverie.dream.env import OBSERVED, DreamEnv, Observed
from reverie.dream.moments import Moments, World
from reverie.dream.vector_env import DreamVectorEnv
from reverie.errors import UserError
from reverie.models.mdn_rnn import MemoryState
from reverie.run.folder import RunFolder
from tests.dream.test_replay import Adder

DREAM = f"reverie.dream:{reverie.dream.DREAM_ID}"
ACTION = np.array([0.3, 0.5, 0], np.float32)


ASYNC = """
import sys
import gymnasium, numpy as np, torch
torch.set_num_threads(4)
here = gymnasium.make("reverie.dream:reverie/Dream-v0", run=sys.argv[1], observation="frame")
here.reset(seed=0)
here.step(np.zeros(3, np.float32))
there = gymnasium.make_vec(
    "reverie.dream:reverie/Dream-v0", 2, vectorization_mode="async", run=sys.argv[1], observation="frame",
    vector_kwargs={"context": "fork", "shared_memory": False},
)
there.reset(seed=0)
obs = there.step(np.zeros((2, 3), np.float32))[0]
there.close()
print(obs.shape, torch.get_num_threads())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_dreams_in_forks_of_a_process_that_has_dreamt(tmp_path: Path, tiny_run: RunFolder) -> None:
    (tmp_path / "script.py").write_text(ASYNC)
    command = [sys.executable, "-W", "ignore", str(tmp_path / "script.py"), str(tiny_run.path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout == "(2, 64, 64, 3) 4\n", done.stderr


def make(run: RunFolder, num: int = 3, **settings) -> DreamVectorEnv:
    return DreamVectorEnv(str(run.path), num, **settings)


def endless(*envs: DreamEnv | DreamVectorEnv) -> None:
    """Only the limit ends these dreams."""
    for env in envs:
        env.dreamer.memory.head.bias.data[-1] = -50.0


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any run's dream adds each action to the latent (0, i) of one of 100 moments i, rewards the first decision with 6,
    and each with 1 more; it ends where z[0] is above 3."""
    memory, vision = Adder(1.0), torch.nn.Identity()
    z = torch.stack([torch.zeros(100), torch.arange(100.0)], 1)
    moments = Moments(z=z, state=MemoryState(*memory.initial_state(100)), rew=torch.full((100,), 5.0))
    world = World(
        env_id="X",
        actions=BoxActions(low=(0.0, -1.0), high=(9.0, 1.0), scaled=False),
        action_repeat=10,
        max_decisions=5,
    )
    dreams = Dreams(vision, memory, moments, world)  # pyright: ignore[reportArgumentType] (nothing is decoded)
    for module in ("env", "vector_env"):
        monkeypatch.setattr(f"reverie.dream.{module}.load_dreams", lambda *_: dreams)


@pytest.mark.parametrize("observation", OBSERVED)
def test_gymnasium_makes_it_with_the_spaces_of_one_dream_batched(observation: Observed, tiny_run: RunFolder) -> None:
    run = str(tiny_run.path)
    env = gymnasium.make_vec(DREAM, num_envs=3, run=run, observation=observation)
    one = gymnasium.make(DREAM, run=run, observation=observation)
    assert isinstance(env.unwrapped, DreamVectorEnv)
    assert env.num_envs == 3
    assert env.single_observation_space == one.observation_space
    assert env.single_action_space == one.action_space
    assert one.observation_space.shape is not None
    assert env.observation_space.shape == (3, *one.observation_space.shape)
    assert env.action_space.shape == (3, 3)
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    obs, info = env.reset(seed=0)
    assert env.observation_space.contains(obs)
    assert info == {}
    env.action_space.seed(0)
    obs, rew, end, trunc, info = env.step(env.action_space.sample())
    assert env.observation_space.contains(obs)
    assert (rew.shape, rew.dtype) == ((3,), np.float64)
    assert (end.shape, end.dtype, trunc.shape, trunc.dtype) == ((3,), bool, (3,), bool)
    assert info == {}


@pytest.mark.usefixtures("known")
def test_a_row_that_ended_begins_anew_at_the_next_step() -> None:
    env = DreamVectorEnv("known", 3, temperature=0.0)
    start = env.reset(seed=0)[0]
    gas = np.array([[2.0, 0], [1.0, 0], [0.0, 0]])  # ends after 2 decisions, after 4, and is cut after 5
    found = [env.step(gas) for _ in range(6)]
    obs, rew, end, trunc = (np.stack(values) for values in list(zip(*found, strict=True))[:4])
    assert obs[..., 0].T.tolist() == [[2, 4, 0, 2, 4, 0], [1, 2, 3, 4, 0, 1], [0, 0, 0, 0, 0, 0]]
    assert rew.T.tolist() == [[6, 7, 0, 6, 7, 0], [6, 7, 8, 9, 0, 6], [6, 7, 8, 9, 10, 0]]
    assert end.T.astype(int).tolist() == [[0, 1, 0, 0, 1, 0], [0, 0, 0, 1, 0, 0], [0] * 6]
    assert trunc.T.astype(int).tolist() == [[0] * 6, [0] * 6, [0, 0, 0, 0, 1, 0]]
    which = np.concatenate([start[None, :, 1], obs[..., 1]]).T.tolist()  # the start that each dream began at
    assert all(
        len(set(dream)) == 1 for dream in (which[0][:3], which[0][3:6], which[1][:5], which[1][5:], which[2][:6])
    )
    assert which[0][2] != which[0][3] != which[0][6]
    assert which[1][4] != which[1][5]
    assert which[2][5] != which[2][6]


@pytest.mark.usefixtures("known")
def test_it_counts_as_gymnasium_s_own_vector_environment_does() -> None:
    """The same dreams, but for where they begin."""
    ours = DreamVectorEnv("known", 2, temperature=0.0)
    theirs = SyncVectorEnv([lambda: DreamEnv("known", temperature=0.0)] * 2)
    for env in (ours, theirs):
        env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(40):
        act = np.stack([rng.integers(0, 3, 2), np.zeros(2)], 1)
        (obs, rew, end, trunc, info), (their_obs, *theirs_of_it) = ours.step(act), theirs.step(act)
        np.testing.assert_array_equal(obs[:, 0], their_obs[:, 0])
        for found, expected in zip((rew, end, trunc, info), theirs_of_it, strict=True):
            np.testing.assert_equal(found, expected)
        assert all(np.asarray(theirs_of_it[i]).dtype == values.dtype for i, values in enumerate((rew, end, trunc)))


@pytest.mark.usefixtures("known")
def test_a_reset_forgets_what_was_over() -> None:
    env = DreamVectorEnv("known", 2, temperature=0.0)
    env.reset(seed=0)
    assert env.step(np.full((2, 2), 9.0))[2].all()
    env.reset()
    assert env.step(np.full((2, 2), [1.0, 0]))[1].tolist() == [6, 6]
    for _ in range(2):  # nor do the decisions before it count
        assert not env.step(np.zeros((2, 2)))[3].any()
    assert [env.step(np.zeros((2, 2)))[3].all() for _ in range(2)] == [False, True]


@pytest.mark.usefixtures("known")
def test_a_masked_reset_is_gymnasium_s() -> None:
    """Beside Gymnasium's own vector environment: which rows begin anew, and what is left of those that were over."""
    ours = DreamVectorEnv("known", 3, temperature=0.0)
    theirs = SyncVectorEnv([lambda: DreamEnv("known", temperature=0.0)] * 3)
    for env in (ours, theirs):
        env.reset(seed=0)
    rng = np.random.default_rng(0)
    for i in range(40):
        act = np.stack([rng.integers(0, 3, 3), np.zeros(3)], 1)
        (obs, *found), (their_obs, *expected) = ours.step(act), theirs.step(act)
        if i % 3 == 2:
            mask = rng.random(3) < 0.5
            mask[rng.integers(3)] = True
            (obs, info), (their_obs, their_info) = (env.reset(options={"reset_mask": mask}) for env in (ours, theirs))
            assert info == their_info == {}
            assert not obs[mask, 0].any()
        np.testing.assert_array_equal(obs[:, 0], their_obs[:, 0])
        for mine, other in zip(found, expected, strict=True):
            np.testing.assert_equal(mine, other)


@pytest.mark.usefixtures("known")
def test_rows_beside_a_masked_reset_go_on_and_the_seed_decides_where_the_others_begin() -> None:
    env = DreamVectorEnv("known", 3, temperature=0.0)
    env.reset(seed=0)
    before = env.step(np.ones((3, 2)))[0]
    mask = np.array([False, True, False])
    options = {"reset_mask": mask}
    after, again = env.reset(seed=5, options=options)[0], env.reset(seed=5, options=options)[0]
    np.testing.assert_array_equal(after, again)
    np.testing.assert_array_equal(after[~mask], before[~mask])
    assert after[1, 0] == 0
    assert len({env.reset(options=options)[0][1, 1] for _ in range(5)}) > 1
    assert options["reset_mask"] is mask  # it is the caller's
    np.testing.assert_array_equal(env.reset(seed=5, options={"reset_mask": ~mask | mask})[0], env.reset(seed=5)[0])


def test_episodes_are_counted_by_gymnasium_s_wrapper_after_a_masked_reset(tiny_run: RunFolder) -> None:
    inner = make(tiny_run, 2, max_decisions=3)
    endless(inner)
    env = RecordEpisodeStatistics(inner)
    env.reset(seed=0)
    for _ in range(2):
        env.step(np.tile(ACTION, (2, 1)))
    env.reset(options={"reset_mask": np.array([True, False])})
    for _ in range(3):
        env.step(np.tile(ACTION, (2, 1)))
    assert list(env.length_queue) == [3, 3]


MASK = np.ones(2, bool)


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"options": {"mask": MASK}}, "reset option 'mask' is not one of dreams side by side: it knows reset_mask"),
        ({"options": {"reset_mask": [True, False]}}, r"must be a NumPy array of \(2,\) bool, not list"),
        ({"options": {"reset_mask": MASK[:1]}}, r"must be a NumPy array of \(2,\) bool, not \(1,\) bool"),
        ({"options": {"reset_mask": MASK.astype(int)}}, r"of \(2,\) bool, not \(2,\) int64"),
        ({"options": {"reset_mask": ~MASK}}, "has no row to reset"),
        ({"options": {"reset_mask": np.array([True, False])}}, "leaves out dreams that never began"),
        ({"seed": [1, 2]}, r"seed \[1, 2\]: give one whole number for all dreams"),
    ],
)
def test_a_reset_that_makes_no_sense_is_refused(given: dict, said: str) -> None:
    env = DreamVectorEnv("known", 2, temperature=0.0)
    with pytest.raises(UserError, match=said) as error:
        env.reset(**given)
    assert "\n" not in str(error.value)
    env.reset(seed=3, options={"reset_mask": MASK})


def test_the_action_of_a_row_that_begins_anew_is_ignored(tiny_run: RunFolder) -> None:
    found = []
    for act in (0.0, 1.0):
        env = make(tiny_run, max_decisions=2)
        env.reset(seed=0)
        while not env.step(np.tile(ACTION, (3, 1)))[3].all():
            pass
        found.append(env.step(np.full((3, 3), act))[0])
        banked = {row.tobytes() for row in env.dreamer.moments.z.numpy()}
        assert all(row.tobytes() in banked for row in found[-1])
        assert len(found) == 1 or env.step(np.tile(ACTION, (3, 1)))[1].all()
    np.testing.assert_array_equal(*found)


def test_episodes_are_counted_by_gymnasium_s_wrapper(tiny_run: RunFolder) -> None:
    inner = make(tiny_run, 4, max_decisions=3)
    endless(inner)
    env = RecordEpisodeStatistics(inner)
    env.reset(seed=0)
    rewards = []
    for i in range(11):  # three decisions and a new beginning, twice, and three decisions
        rewards.append(env.step(np.tile(ACTION, (4, 1)))[1])
        assert env.episode_count == 4 * ((i + 2) // 4)
    assert set(env.length_queue) == {3}
    returns = np.stack(rewards)[[[0, 1, 2], [4, 5, 6], [8, 9, 10]]].sum(1)
    np.testing.assert_allclose(np.array(env.return_queue).reshape(3, 4), returns, rtol=1e-5)


def test_same_seed_same_dreams_and_another_others(tiny_run: RunFolder) -> None:
    def drive(env: DreamVectorEnv, seed: int | None) -> np.ndarray:
        first, _ = env.reset(seed=seed)
        return np.stack([first, *(env.step(np.tile(ACTION, (3, 1)))[0] for _ in range(8))])  # 6 decisions an episode

    env = make(tiny_run)
    found, unseeded = drive(env, 3), drive(env, None)
    np.testing.assert_array_equal(drive(make(tiny_run), 3), found)
    np.testing.assert_array_equal(drive(env, 3), found)
    np.testing.assert_array_equal(drive(env, None), unseeded)
    for other in (unseeded, drive(env, 4)):
        assert not np.isclose(other[1], found[1]).all(-1).any()


def test_one_row_is_the_single_dream_byte_for_byte(tiny_run: RunFolder) -> None:
    one, row = DreamEnv(str(tiny_run.path), observation="zh"), make(tiny_run, 1, observation="zh")
    endless(one, row)
    np.testing.assert_array_equal(row.reset(seed=11)[0][0], one.reset(seed=11)[0])
    for i in range(6):
        act = np.array([0.1 * i, 0.5, 0], np.float32)
        (obs, *rest, _), (rows, *rest_rows, _) = one.step(act), row.step(act[None])
        np.testing.assert_array_equal(rows[0], obs)
        assert [values[0] for values in rest_rows] == rest


def test_without_chance_a_row_among_others_is_the_single_dream(tiny_run: RunFolder) -> None:
    one = DreamEnv(str(tiny_run.path), temperature=0.0, observation="zh")
    many = make(tiny_run, temperature=0.0, observation="zh")
    one.reset(seed=0)
    many.reset(seed=5)
    many.dreamer.z = one.dreamer.z.repeat(3, 1)
    many.dreamer.rew = one.dreamer.rew.repeat(3)
    many.dreamer.state = one.dreamer.state.select(torch.zeros(3, dtype=torch.long))
    for i in range(4):
        act = np.array([0.1 * i, 0.5, 0], np.float32)
        obs, rew, *_ = one.step(act)
        all_obs, all_rew, *_ = many.step(np.stack([act * 0, act, act * 0]))
        np.testing.assert_allclose(all_obs[1], obs, rtol=1e-4, atol=1e-5)
        assert all_rew[1] == pytest.approx(rew, rel=1e-4)


def test_rows_are_distributed_as_single_dreams_are(tiny_run: RunFolder) -> None:
    num = 1500
    many, one = make(tiny_run, num), DreamEnv(str(tiny_run.path))
    endless(many, one)
    many.reset(seed=0)
    one.reset(seed=1)
    rows, singles = np.empty((num, 4)), np.empty((num, 4))
    for i in range(2):
        obs, rew, *_ = many.step(np.tile(ACTION, (num, 1)))
        rows[:, 2 * i], rows[:, 2 * i + 1] = obs[:, 0], rew
    for single in singles:
        one.reset()
        for i in range(2):
            obs, single[2 * i + 1], *_ = one.step(ACTION)
            single[2 * i] = obs[0]
    for of_rows, of_singles in zip(rows.T, singles.T, strict=True):
        # How far one is to be moved to become the other: last bits, in which batches may differ, count for nothing.
        deviation = of_singles.std()
        assert deviation > 1e-3
        assert wasserstein_distance(of_rows, of_singles) < 0.12 * deviation, "three times what chance makes of so many"
        assert wasserstein_distance(of_rows + 0.25 * deviation, of_singles) > 0.12 * deviation, "so many could tell"


def test_pictures_of_each_dream() -> None:
    env = DreamVectorEnv("pretrained", 2, observation="frame", render_mode="rgb_array")
    obs, _ = env.reset(seed=0)
    assert not np.array_equal(obs[0], obs[1])
    pictures = env.render()
    assert pictures is not None
    np.testing.assert_array_equal(np.stack(pictures), obs)
    assert env.metadata["render_fps"] == 12
    assert DreamVectorEnv("pretrained", 2).render() is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"temperature": -0.5}, "0 or more, not -0.5"),
        ({"observation": "image"}, "observation 'image' is not one of z, zh, frame"),
        ({"render_mode": "human"}, "render_mode 'human' is not one of None, rgb_array"),
        ({"max_decisions": -1}, "max_decisions must be 1 or more, not -1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict, said: str, tiny_run: RunFolder) -> None:
    with pytest.raises(UserError, match=said):
        make(tiny_run, **settings)


def test_a_folder_that_cannot_dream_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist: check the path"):
        DreamVectorEnv(str(tmp_path / "nowhere"), 2)
