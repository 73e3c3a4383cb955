import re
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.envs import registration
from gymnasium.envs.box2d.car_racing import CarRacing

from reverie.actions import Categories, SteerGasBrake
from reverie.envs import EnvConfig, make_env, make_vector_env, register, spec_of
from reverie.envs.car_racing.spec import PICTURE
from reverie.envs.config import FAST_ID
from reverie.envs.picture import Picture, to_64
from reverie.errors import UserError


def test_register_is_safe_to_repeat_and_works_inside_a_plugin_namespace(monkeypatch):
    spec = gymnasium.registry[FAST_ID]
    register()
    assert gymnasium.registry[FAST_ID] is spec
    monkeypatch.delitem(registration.registry, FAST_ID)
    with registration.namespace("reverie"):
        register()
    assert gymnasium.registry[FAST_ID].entry_point == spec.entry_point


@pytest.mark.parametrize(("renderer", "name"), [("fast", "FastCarRacing"), ("gymnasium", "CarRacing")])
def test_make_env_obeys_renderer_and_time_limit(renderer, name):
    env = make_env(EnvConfig(renderer=renderer, max_frames=2), lap_complete_percent=0.9)
    assert type(env.unwrapped).__name__ == name
    assert env.get_wrapper_attr("lap_complete_percent") == 0.9
    env.reset(seed=0)
    assert [env.step(np.zeros(3, np.float32))[3] for _ in range(2)] == [False, True]


def test_what_is_known_of_car_racing():
    spec = spec_of(EnvConfig())
    assert spec.actions == SteerGasBrake()
    assert (spec.frames_per_second, spec.solved, spec.in_paper) == (50, 900, True)
    assert spec.largest_return is not None
    assert spec.largest_return.after(np.array([0, 400])).tolist() == [1000, 960]
    gymnasiums = gymnasium.make("CarRacing-v3")
    assert spec.actions.space() == gymnasiums.action_space
    assert spec.picture.shape == gymnasiums.observation_space.shape
    assert spec.render_modes == ("human", "rgb_array")


@pytest.mark.parametrize("name", [FAST_ID, f"reverie.envs:{FAST_ID}", "gymnasium:CarRacing-v3"])
def test_one_world_has_one_name(name):
    assert EnvConfig(id=name) == EnvConfig()


@pytest.mark.parametrize("renderer", ["fast", "gymnasium"])
def test_car_racing_by_categories_is_gymnasium_s_own(renderer):
    config = EnvConfig(kwargs={"continuous": False}, renderer=renderer, action_repeat=3)
    assert spec_of(config).actions == Categories(sizes=(5,), first=(0,))
    ours, theirs = make_vector_env(config, 1), gymnasium.make("CarRacing-v3", continuous=False)
    ours.reset([0], [5])
    theirs.reset(seed=5)
    for action in (3, 3, 1, 4, 0):
        step = ours.step(np.array([0]), np.eye(5, dtype=np.float32)[[action]])
        assert step.rew[0] == pytest.approx(sum(float(theirs.step(action)[1]) for _ in range(3)))


def test_pictures_that_nobody_sees_are_not_drawn_and_the_others_are_gymnasium_s(monkeypatch):
    drawn, draw = [], CarRacing._render
    config = EnvConfig(renderer="gymnasium", max_frames=6, action_repeat=4)  # ends within its second decision
    with monkeypatch.context() as patch:
        patch.setattr(CarRacing, "_render", lambda *given: drawn.append(given[1:]) or draw(*given))
        ours = make_vector_env(config, 1)
        found = [ours.reset([0], [5])]
        steps = [ours.step(np.array([0]), np.array([[0.1, 0.5, 0.0]], np.float32)) for _ in range(2)]
    assert drawn == [("state_pixels",)] * 3
    assert [(step.frames[0], step.trunc[0]) for step in steps] == [(4, False), (2, True)]
    theirs = gymnasium.make("CarRacing-v3")
    given = spec_of(config).actions.to_env(np.array([[0.1, 0.5, 0.0]], np.float32))[0]
    frames = [theirs.reset(seed=5)[0], *(theirs.step(given)[0] for _ in range(6))]
    for obs, frame in zip([*found, *(step.obs for step in steps)], (frames[0], frames[4], frames[6]), strict=True):
        np.testing.assert_array_equal(obs[0], PICTURE.to_64(frame))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (EnvConfig(id="CarRacing-v9"), "CarRacing-v3"),
        (EnvConfig(id="nothing like it"), "install"),
        (EnvConfig(action_repeat=0), "action_repeat"),
        (EnvConfig(max_frames=-1), "max_frames"),
        (EnvConfig(renderer="slow"), "renderer"),  # pyright: ignore[reportArgumentType]
        (EnvConfig(id="Pendulum-v1"), "pixel"),
        (EnvConfig(id="CartPole-v1"), "pixel"),
        (EnvConfig(id="nowhere_at_all:X-v0"), "import the module nowhere_at_all.*--trust nowhere_at_all"),
        (EnvConfig(id="not_written_yet:X-v0"), "not_written_yet cannot be imported.*PYTHONPATH"),
        (EnvConfig(id="reverie.envs:X-v0"), "not known to Gymnasium"),
        (EnvConfig(kwargs={"wings": 2}), r"cannot be made with env.kwargs = {'wings': 2} .*wings"),
    ],
)
def test_mistakes_are_told_in_one_line(config, words, monkeypatch):
    monkeypatch.setenv("REVERIE_TRUST", "not_written_yet")
    with pytest.raises(UserError, match=words) as caught:
        make_vector_env(config, 1)
    assert "\n" not in str(caught.value)


def test_no_environments_is_a_mistake():
    with pytest.raises(UserError, match="num_envs"):
        make_vector_env(EnvConfig(), 0)


def test_car_racing_is_cropped_and_averaged():
    frame = np.zeros((96, 96, 3), np.uint8)
    frame[84:] = 255  # the panel is cut off
    assert PICTURE.to_64(frame).max() == 0
    frame = np.zeros((96, 96, 3), np.uint8)
    frame[:84, 1] = 90  # column 1 falls into output columns 0 and 1, half each: a third of each
    small = PICTURE.to_64(frame)
    assert np.unique(small[:, 0]).tolist() == np.unique(small[:, 1]).tolist() == [30]
    assert small[:, 2:].max() == 0


def test_a_world_whose_package_is_missing_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "vizdoom.gymnasium_wrapper", None)
    config = EnvConfig(id="VizdoomTakeCover-v1")
    assert spec_of(config).actions.num_outputs == 1, "what is known of it needs no package"
    with pytest.raises(UserError, match=re.escape("pip install 'reverie[doom]'")):
        make_vector_env(config, 1)


@pytest.mark.parametrize("shape", [(200, 320, 3), (84, 96, 3), (33, 17, 1), (211, 500)])
def test_an_area_average_in_whole_numbers_is_the_formula(shape):
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    ends = [np.linspace(0, size, 65) for size in shape[:2]]
    shares = [
        (np.minimum(e[1:, None], np.arange(n) + 1) - np.maximum(e[:-1, None], np.arange(n))).clip(0) * 64 / n
        for n, e in zip(shape, ends, strict=False)
    ]
    exact = np.einsum("yh,hwc,xw->yxc", shares[0], picture.reshape(*shape[:2], -1).astype(float), shares[1])
    assert np.abs(to_64(picture) - exact).max() < 0.5 + 1e-9


def test_to_64_of_other_sizes():
    blocks = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    np.testing.assert_array_equal(to_64(blocks), blocks)
    assert to_64(blocks) is not blocks
    np.testing.assert_array_equal(to_64(blocks.repeat(3, 0).repeat(2, 1)), blocks)
    flat = np.full((210, 160, 3), 77, np.uint8)
    np.testing.assert_array_equal(to_64(flat), np.full((64, 64, 3), 77))
    frame = np.zeros((96, 96, 3), np.uint8)
    frame[84:] = 255
    assert to_64(frame).max() == 255, "only what is known to have a panel is cropped"


def test_grey_is_the_same_in_all_colours_and_small_pictures_grow():
    grey = np.arange(32 * 16, dtype=np.uint8).reshape(32, 16)
    large = grey.repeat(2, 0).repeat(4, 1)
    for picture in (grey, grey[..., None]):
        np.testing.assert_array_equal(to_64(picture), large[..., None].repeat(3, -1))
    np.testing.assert_array_equal(to_64(large), to_64(grey))


def test_a_picture_under_a_key_must_be_what_was_announced():
    picture = Picture(shape=(2, 4), key="eye")
    eye = np.arange(8, dtype=np.uint8).reshape(2, 4)
    np.testing.assert_array_equal(picture.of({"eye": eye, "ear": 0}), eye)
    for wrong in (eye.T, eye.astype(np.float32)):
        with pytest.raises(UserError, match=r"announces pictures \(2, 4\) uint8 and gives"):
            picture.to_64({"eye": wrong})
