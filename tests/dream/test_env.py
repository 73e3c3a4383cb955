"""The dream as Gymnasium's environments: what any RL library relies on."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

import reverie.dream  # registers it
from reverie.dream.env import DreamEnv
from reverie.dream.vector_env import DreamVectorEnv
from reverie.errors import UserError
from reverie.run_folder import RunFolder

DREAM = f"reverie.dream:{reverie.dream.DREAM_ID}"


def make(run: RunFolder, **settings) -> DreamEnv:
    return DreamEnv(str(run.path), **settings)


def make_vector(run: RunFolder, num: int = 3, **settings) -> DreamVectorEnv:
    return DreamVectorEnv(str(run.path), num, **settings)


def episode(env: DreamEnv, seed: int, num: int = 5) -> np.ndarray:
    """(num + 1, z + 1) observations with rewards."""
    obs, _ = env.reset(seed=seed)
    rows = [np.append(obs, 0.0)]
    for i in range(num):
        obs, rew, *_ = env.step(np.array([0.1 * i, 0.5, 0], np.float32))
        rows.append(np.append(obs, rew))
    return np.stack(rows)


# Latents have no bounds, and Gymnasium warns of any space without.
UNBOUNDED = pytest.mark.filterwarnings("ignore:.*infinity. This is probably too")


@UNBOUNDED
@pytest.mark.parametrize("observation", ["z", "zh", "frame"])
def test_gymnasium_s_own_checker_passes(observation: str, tiny_run: RunFolder) -> None:
    env = gymnasium.make(DREAM, run=str(tiny_run.path), observation=observation, render_mode="rgb_array")
    check_env(env.unwrapped)
    assert env.observation_space.contains(env.reset(seed=1)[0])


@UNBOUNDED
@pytest.mark.filterwarnings("ignore:We recommend you to use a symmetric")  # the real one's is not either
def test_stable_baselines_own_checker_passes(tiny_run: RunFolder) -> None:
    from stable_baselines3.common.env_checker import check_env as check

    check(make(tiny_run))


def test_same_seed_same_dream_and_another_another(tiny_run: RunFolder) -> None:
    env = make(tiny_run)
    first = episode(env, 3)
    np.testing.assert_array_equal(episode(env, 3), first)
    np.testing.assert_array_equal(episode(make(tiny_run), 3), first)
    assert not np.allclose(episode(env, 4), first)
    unseeded = [env.reset()[0] for _ in range(4)]
    assert len({obs.tobytes() for obs in unseeded}) > 1  # goes on with new dreams


def test_actions_are_clipped_to_the_world_s_bounds(tiny_run: RunFolder) -> None:
    env, found = make(tiny_run, temperature=0.0), []
    for action in ([9, -9, 9], [1, 0, 1], [0.5, 0, 1]):
        env.reset(seed=0)
        found.append(env.step(np.array(action, np.float32))[0])
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[1], found[2])


def test_a_dream_is_cut_at_its_limit(tiny_run: RunFolder) -> None:
    env = make(tiny_run)  # 24 frames of 4
    env.reset(seed=0)
    assert [env.step(np.zeros(3, np.float32))[3] for _ in range(6)] == [False] * 5 + [True]
    env = make(tiny_run, max_decisions=2)
    env.reset(seed=0)
    assert [env.step(np.zeros(3, np.float32))[3] for _ in range(2)] == [False, True]


def test_it_ends_as_often_as_the_end_head_says(tiny_run: RunFolder) -> None:
    env = make_vector(tiny_run, 4000)
    memory = env.dreamer.memory
    with torch.no_grad():
        memory.head.weight[-1].zero_()
        memory.head.bias[-1] = -1.0
    env.reset(seed=0)
    end = env.step(np.zeros((4000, 3), np.float32))[2]
    assert end.mean() == pytest.approx(torch.sigmoid(torch.tensor(-1.0)).item(), abs=0.03)
    certain = make_vector(tiny_run, 5, temperature=0.0)
    with torch.no_grad():
        certain.dreamer.memory.head.weight[-1].zero_()
        certain.dreamer.memory.head.bias[-1] = -1.0
    certain.reset(seed=0)
    assert not certain.step(np.zeros((5, 3), np.float32))[2].any()  # without chance, what is likelier


def test_a_batch_of_dreams_resets_at_the_next_step(tiny_run: RunFolder) -> None:
    env = gymnasium.make_vec(DREAM, num_envs=3, run=str(tiny_run.path), max_decisions=2)
    memory = env.unwrapped.dreamer.memory  # pyright: ignore[reportAttributeAccessIssue]
    with torch.no_grad():
        memory.head.bias[-1] = -50.0  # no end but the limit
    assert env.action_space.shape == (3, 3)
    assert env.observation_space.contains(env.reset(seed=0)[0])
    act = np.zeros((3, 3), np.float32)
    assert not env.step(act)[3].any()
    assert env.step(act)[3].all()
    obs, rew, end, trunc, _ = env.step(act)
    assert not rew.any()
    assert not (end | trunc).any()
    bank = env.unwrapped.dreamer.starts  # pyright: ignore[reportAttributeAccessIssue]
    starts = {row.tobytes() for row in bank.z.numpy()}
    assert all(row.tobytes() in starts for row in obs)  # dreams that begin anew
    assert env.step(act)[1].all()


def test_only_the_dream_that_ended_begins_anew(tiny_run: RunFolder) -> None:
    env = make_vector(tiny_run, temperature=0.0)
    env.reset(seed=0)
    act = np.full((3, 3), 0.3, np.float32)
    env._over[:] = [False, True, False]
    before = env.dreamer.state.h.clone()
    decisions = env._decisions.copy()
    env.step(act)
    assert env._decisions.tolist() == [decisions[0] + 1, 0, decisions[2] + 1]
    banked = env.dreamer.starts.state.h
    assert any(torch.equal(env.dreamer.state.h[1], row) for row in banked)
    assert not torch.equal(env.dreamer.state.h[0], before[0])


def test_one_dream_is_a_row_of_a_batch(tiny_run: RunFolder) -> None:
    """From the same start, without chance."""
    one, many = make(tiny_run, temperature=0.0), make_vector(tiny_run, temperature=0.0)
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


def test_bf16_is_near(tiny_run: RunFolder) -> None:
    exact, fast = (make_vector(tiny_run, 50, temperature=0.0, precision=p) for p in ("fp32", "bf16"))
    act = np.full((50, 3), 0.3, np.float32)
    for env in (exact, fast):
        env.reset(seed=0)
    rew, fast_rew = exact.step(act)[1], fast.step(act)[1]
    np.testing.assert_allclose(fast_rew, rew, atol=0.05)
    assert not np.array_equal(fast_rew, rew)


def test_pictures_are_the_decoded_latent(tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    env = make(tiny_run, render_mode="rgb_array", observation="frame")
    frame, _ = env.reset(seed=0)
    picture = env.render()
    assert picture is not None
    np.testing.assert_array_equal(picture[::6, ::6], frame)
    np.testing.assert_array_equal(make_vector(tiny_run, 2, observation="frame").reset(seed=0)[0].shape, (2, 64, 64, 3))
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    window = make(tiny_run, render_mode="human")
    window.reset(seed=0)
    window.step(np.zeros(3, np.float32))
    assert window._window is not None
    window.close()
    assert window._window is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"temperature": -0.5}, "0 or more, not -0.5"), ({"observation": "image"}, "'image' is not one of z, zh, frame")],
)
def test_settings_that_make_no_sense_are_refused(settings: dict, said: str, tiny_run: RunFolder) -> None:
    with pytest.raises(UserError, match=said):
        make(tiny_run, **settings)


def test_ppo_of_stable_baselines_trains_in_the_dream(tiny_run: RunFolder) -> None:
    """The gas is worth 1 in this dream, so a learner gives more of it."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.monitor import Monitor

    env = make(tiny_run, max_decisions=10)
    step = env.dreamer.step

    def paid(act):
        found = step(act)
        return found._replace(rew=act[:, 1])

    env.dreamer.step = paid
    model = PPO("MlpPolicy", Monitor(env), n_steps=256, batch_size=64, learning_rate=3e-3, seed=0, device="cpu")

    def mean_gas() -> float:
        obs = np.stack([env.reset(seed=i)[0] for i in range(50)])
        return float(model.predict(obs, deterministic=True)[0][:, 1].mean())

    before = mean_gas()
    model.learn(3072)
    assert mean_gas() > before + 0.2
    assert model.ep_info_buffer is not None
    assert len(model.ep_info_buffer) == 100
    assert all(torch.isfinite(p).all() for p in model.policy.parameters())
