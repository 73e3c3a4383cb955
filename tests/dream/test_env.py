"""The dream as Gymnasium's environment: what any RL library relies on."""

import inspect
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

import reverie.dream  # registers it
from reverie.actions import BoxActions
from reverie.dream.dreamer import Dreamer, Dreams
from reverie.dream.env import OBSERVED, DreamEnv, Observed
from reverie.dream.moments import Moments, World
from reverie.errors import UserError
from reverie.models.files import SHIPPED, VISION, agent_folder, load_vision
from reverie.run.folder import RunFolder
from reverie.types import LargestReturn
from tests.dream.test_replay import Adder

DREAM = f"reverie.dream:{reverie.dream.DREAM_ID}"
ACTION = np.array([0.3, 0.5, 0], np.float32)

# Gymnasium's checkers warn of any observation without bounds, as its own MuJoCo's. Latents have none, being drawn from
# normals. Made-up bounds would silence it, but Box.sample, and whoever scales by them, would take them for true.
UNBOUNDED = pytest.mark.filterwarnings("ignore:.*infinity. This is probably too")


def make(run: RunFolder, **settings) -> DreamEnv:
    return DreamEnv(str(run.path), **settings)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any run's dream adds each action to the latent (1, 0), rewards the first decision with 6, and each with 1 more;
    it ends where z[0] is above 3."""
    memory, vision = Adder(1.0), torch.nn.Identity()
    moments = Moments(z=torch.tensor([[1.0, 0.0]]), state=memory.initial_state(1), rew=torch.tensor([5.0]))
    world = World(
        env_id="X",
        actions=BoxActions(low=(-1.0, 0.0), high=(1.0, 0.5), scaled=False),
        action_repeat=10,
        max_decisions=4,
    )
    dreams = Dreams(vision, memory, moments, world)  # pyright: ignore[reportArgumentType] (nothing is decoded)
    monkeypatch.setattr("reverie.dream.env.load_dreams", lambda *_: dreams)


def episode(env: DreamEnv, seed: int, num: int = 5) -> np.ndarray:
    """(num + 1, z + 1) observations with rewards."""
    obs, _ = env.reset(seed=seed)
    rows = [np.append(obs, 0.0)]
    for i in range(num):
        obs, rew, *_ = env.step(np.array([0.1 * i, 0.5, 0], np.float32))
        rows.append(np.append(obs, rew))
    return np.stack(rows)


@UNBOUNDED
@pytest.mark.parametrize("observation", OBSERVED)
@pytest.mark.parametrize("kind", ["tiny", *SHIPPED])
def test_gymnasium_s_own_checker_passes(kind: str, observation: Observed, request: pytest.FixtureRequest) -> None:
    run = kind if kind in SHIPPED else str(request.getfixturevalue("tiny_run").path)
    env = gymnasium.make(DREAM, run=run, observation=observation, render_mode="rgb_array")
    check_env(env.unwrapped)
    assert env.spec is not None
    assert env.spec.id == reverie.dream.DREAM_ID


@UNBOUNDED
@pytest.mark.filterwarnings("ignore:We recommend you to use a symmetric")  # the real one's is not either
@pytest.mark.parametrize("observation", OBSERVED)
def test_stable_baselines_own_checker_passes(observation: Observed, tiny_run: RunFolder) -> None:
    from stable_baselines3.common.env_checker import check_env as check

    check(make(tiny_run, observation=observation, render_mode="rgb_array"))


def test_spaces_are_those_of_the_world() -> None:
    shapes = {
        kind: gymnasium.make(DREAM, run="pretrained", observation=kind).observation_space.shape for kind in OBSERVED
    }
    assert shapes == {"z": (32,), "zh": (32 + 256,), "frame": (64, 64, 3)}
    space = gymnasium.make(DREAM, run="pretrained").action_space
    assert isinstance(space, gymnasium.spaces.Box)
    assert (space.low.tolist(), space.high.tolist()) == ([-1, 0, 0], [1, 1, 1])


def test_observations_are_the_latent_the_state_and_the_picture() -> None:
    envs = {kind: DreamEnv("pretrained", observation=kind) for kind in OBSERVED}
    for env in envs.values():
        env.reset(seed=0)
    obs = {kind: env.step(ACTION)[0] for kind, env in envs.items()}
    dreamer = envs["zh"].dreamer
    np.testing.assert_array_equal(obs["z"], dreamer.z[0])
    np.testing.assert_array_equal(obs["zh"], torch.cat([dreamer.z[0], dreamer.state.h[0, -1]]))
    with torch.no_grad():
        picture = load_vision(agent_folder("pretrained") / VISION).eval().decode(dreamer.z)[0]
    np.testing.assert_array_equal(obs["frame"], picture)


@pytest.mark.usefixtures("known")
def test_a_world_that_is_known() -> None:
    env = DreamEnv("known", temperature=0.0)
    obs, info = env.reset(seed=0)
    assert (obs.tolist(), info) == ([1, 0], {})
    steps = [env.step(np.array([1.0, 0.25])) for _ in range(4)]
    assert [step[0].tolist() for step in steps] == [[2, 0.25], [3, 0.5], [4, 0.75], [5, 1]]
    assert [step[1:] for step in steps] == [
        (6.0, False, False, {}),
        (7.0, False, False, {}),
        (8.0, True, False, {}),
        (9.0, True, True, {}),
    ]
    assert env.metadata["render_fps"] == 5  # 50 frames a second, 10 of them a decision


@pytest.mark.usefixtures("known")
def test_actions_are_clipped_to_the_world_s_bounds() -> None:
    env = DreamEnv("known", temperature=0.0)
    env.reset(seed=0)
    assert env.step(np.array([9.0, 9.0]))[0].tolist() == [2, 0.5]
    assert env.step(np.array([-9, -9]))[0].tolist() == [1, 0.5]


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("action", [[0.5], [0.5, 0.5, 0.5], [[0.5, 0.5]], 0.5])
def test_an_action_of_another_shape_is_refused(action) -> None:
    env = DreamEnv("known")
    env.reset(seed=0)
    with pytest.raises(AssertionError, match=r"actions must be \(1, 2\), not"):
        env.step(np.array(action))


@pytest.mark.usefixtures("known")
def test_a_dream_has_no_options() -> None:
    env = DreamEnv("known")
    env.reset(seed=0, options={})
    with pytest.raises(UserError, match="reset option 'start' is not one of a dream: it has none; leave it out"):
        env.reset(options={"start": 3})


@pytest.mark.usefixtures("known")
def test_what_was_seen_stays_as_it_was() -> None:
    env = DreamEnv("known", temperature=0.0)
    obs, _ = env.reset(seed=0)
    act = np.array([1.0, 0.5])
    later = env.step(act)[0]
    obs += 100
    assert (later.tolist(), act.tolist()) == ([2, 0.5], [1, 0.5])
    later += 100
    assert env.step(act)[0].tolist() == [3, 1]


def test_same_seed_same_dream_and_another_another(tiny_run: RunFolder) -> None:
    env = make(tiny_run)
    first = episode(env, 3)
    np.testing.assert_array_equal(episode(env, 3), first)
    np.testing.assert_array_equal(episode(make(tiny_run), 3), first)
    assert not np.allclose(episode(env, 4), first)
    env.reset(seed=3)
    unseeded = [env.reset()[0] for _ in range(4)]
    assert len({obs.tobytes() for obs in unseeded}) > 1  # goes on with new dreams
    env.reset(seed=3)
    np.testing.assert_array_equal([env.reset()[0] for _ in range(4)], unseeded)  # which the seed decides, too


def fingerprint() -> str:
    """Of a dream, as a user has it who imports nothing of ours."""
    import hashlib

    import gymnasium
    import numpy as np

    env = gymnasium.make("reverie.dream:reverie/Dream-v0", run="pretrained", observation="zh")
    seen = [env.reset(seed=7)[0]]
    for _ in range(3):
        obs, rew, *_ = env.step(np.array([0.3, 0.5, 0], np.float32))
        seen += [obs, np.float64(rew)]
    return hashlib.sha256(b"".join(part.tobytes() for part in seen)).hexdigest()


def test_another_process_dreams_the_same_and_warns_of_nothing() -> None:
    script = f"{inspect.getsource(fingerprint)}\nprint(fingerprint())"
    # Of SWIG's types, which import Box2D, Python itself says that they lack __module__.
    flags = ["-W", "error", "-W", "ignore:builtin type:DeprecationWarning"]
    process = subprocess.run([sys.executable, *flags, "-c", script], capture_output=True, text=True, check=False)
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.strip() == fingerprint()


def test_a_dream_ends_where_all_there_is_to_earn_is_earned(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Adder(1.0)
    moments = Moments(
        z=torch.zeros(1, 2),
        state=memory.initial_state(1),
        rew=torch.tensor([5.0]),
        earned=torch.tensor([70.0]),
        frames=torch.tensor([10]),
    )
    actions = BoxActions(low=(-1.0, 0.0), high=(1.0, 0.5), scaled=False)
    largest = LargestReturn(total=90.0, frame_cost=0.1)
    world = World(env_id="X", actions=actions, action_repeat=10, max_decisions=9, largest_return=largest)
    dreams = Dreams(torch.nn.Identity(), memory, moments, world)  # pyright: ignore[reportArgumentType]
    monkeypatch.setattr("reverie.dream.env.load_dreams", lambda *_: dreams)
    env = DreamEnv("known", temperature=0.0)
    env.reset(seed=0)
    steps = [env.step(np.zeros(2))[1:4] for _ in range(3)]
    assert [step[0] for step in steps] == pytest.approx([6, 7, 3])  # 90 - 0.1 x 40 - 83: not the 8 that M promises
    assert [step[1:] for step in steps] == [(False, False), (False, False), (True, False)]


def test_a_dream_is_cut_at_its_limit(tiny_run: RunFolder) -> None:
    for settings, limit in (({}, 6), ({"max_decisions": 2}, 2)):  # a tiny run's world lasts 24 frames of 4
        env = make(tiny_run, **settings)
        for _ in range(2):
            env.reset(seed=0)
            assert [env.step(ACTION)[3] for _ in range(limit)] == [False] * (limit - 1) + [True]


def test_the_picture_is_the_decoded_latent() -> None:
    env = DreamEnv("pretrained", render_mode="rgb_array", observation="frame")
    first, _ = env.reset(seed=0)
    later = env.step(ACTION)[0]
    assert not np.array_equal(first, later)
    picture = env.render()
    assert picture is not None
    assert (picture.shape, picture.dtype) == ((384, 384, 3), np.uint8)
    np.testing.assert_array_equal(picture, later.repeat(6, 0).repeat(6, 1))
    assert DreamEnv("pretrained").render() is None


def test_a_window_shows_the_dream_and_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    import pygame

    def shown() -> np.ndarray:
        window = pygame.display.get_surface()
        assert window is not None
        return pygame.surfarray.array3d(window).swapaxes(0, 1)

    env, watched = (DreamEnv("pretrained", render_mode=mode) for mode in ("human", "rgb_array"))
    pictures = []
    for begin in (True, False):
        for one in (env, watched):
            one.reset(seed=0) if begin else one.step(ACTION)
        np.testing.assert_array_equal(shown(), watched.render())
        pictures.append(shown())
    assert not np.array_equal(*pictures)
    env.close()
    assert not pygame.display.get_init()
    env.close()  # twice is once
    env.reset(seed=0)  # opens it again
    assert pygame.display.get_init()
    env.close()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"temperature": -0.5}, "0 or more, not -0.5"),
        ({"observation": "image"}, "observation 'image' is not one of z, zh, frame"),
        ({"precision": "fp16"}, "precision 'fp16' is not one of auto, fp32, bf16"),
        ({"render_mode": "ansi"}, "render_mode 'ansi' is not one of None, rgb_array, human"),
        ({"max_decisions": 0}, "max_decisions must be 1 or more, not 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict, said: str, tiny_run: RunFolder) -> None:
    with pytest.raises(UserError, match=said):
        make(tiny_run, **settings)


def test_a_folder_that_cannot_dream_is_refused(tiny_run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist: check the path"):
        DreamEnv(str(tmp_path / "nowhere"))
    tiny_run.dream.unlink()
    with pytest.raises(
        UserError, match=r"^\S*dream.safetensors is missing, .*make it with `reverie memory.*$"
    ) as error:
        make(tiny_run)
    assert "\n" not in str(error.value)


def test_ppo_of_stable_baselines_trains_in_the_dream(tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gas is worth 1 in this dream, so a learner gives more of it."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.monitor import Monitor

    step = Dreamer.step
    monkeypatch.setattr(Dreamer, "step", lambda self, act: step(self, act)._replace(rew=act[:, 1]))
    env = make(tiny_run, max_decisions=10)
    env.dreamer.memory.head.bias.data[-1] = -50.0  # only the limit ends it
    model = PPO("MlpPolicy", Monitor(env), n_steps=256, batch_size=64, learning_rate=3e-3, seed=0, device="cpu")
    weights = {name: weight.clone() for name, weight in model.policy.state_dict().items()}

    def mean_gas() -> float:
        obs = np.stack([env.reset(seed=i)[0] for i in range(50)])
        return float(model.predict(obs, deterministic=True)[0][:, 1].mean())

    before = mean_gas()
    model.learn(3072)
    assert mean_gas() > before + 0.2
    assert all(torch.isfinite(new).all() for new in model.policy.state_dict().values())
    assert not any(torch.equal(new, weights[name]) for name, new in model.policy.state_dict().items())
    assert model.ep_info_buffer is not None
    returns = [episode["r"] for episode in model.ep_info_buffer]
    assert {episode["l"] for episode in model.ep_info_buffer} == {10}
    assert len(returns) == 100
    assert 0 < np.mean(returns[:20]) < np.mean(returns[-20:]) <= 10
