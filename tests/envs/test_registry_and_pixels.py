import gymnasium
import numpy as np
import pytest
from gymnasium.envs import registration

from reverie.envs import EnvConfig, action_size, make_env, make_vector_env, register
from reverie.envs.pixels import to_64
from reverie.envs.registry import FAST_ID
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


def test_action_size():
    assert action_size(EnvConfig()) == 3
    with pytest.raises(UserError, match="CartPole-v1"):
        action_size(EnvConfig(id="CartPole-v1"))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (EnvConfig(id="CarRacing-v9"), "CarRacing-v3"),
        (EnvConfig(id="nothing like it"), "install"),
        (EnvConfig(action_repeat=0), "action_repeat"),
        (EnvConfig(max_frames=-1), "max_frames"),
        (EnvConfig(renderer="slow"), "renderer"),  # pyright: ignore[reportArgumentType]
        (EnvConfig(id="Pendulum-v1"), "pixel"),
    ],
)
def test_mistakes_are_told_in_one_line(config, words):
    with pytest.raises(UserError, match=words) as caught:
        make_vector_env(config, 1)
    assert "\n" not in str(caught.value)


def test_no_environments_is_a_mistake():
    with pytest.raises(UserError, match="num_envs"):
        make_vector_env(EnvConfig(), 0)


def test_to_64_crops_car_racing_and_averages_area():
    frame = np.zeros((96, 96, 3), np.uint8)
    frame[84:] = 255  # the panel is cut off
    assert to_64(frame).max() == 0
    frame = np.zeros((96, 96, 3), np.uint8)
    frame[:84, 1] = 90  # column 1 falls into output columns 0 and 1, half each: a third of each
    small = to_64(frame)
    assert np.unique(small[:, 0]).tolist() == np.unique(small[:, 1]).tolist() == [30]
    assert small[:, 2:].max() == 0


def test_to_64_of_other_sizes():
    blocks = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    np.testing.assert_array_equal(to_64(blocks), blocks)
    assert to_64(blocks) is not blocks
    np.testing.assert_array_equal(to_64(blocks.repeat(3, 0).repeat(2, 1)), blocks)
    flat = np.full((210, 160, 3), 77, np.uint8)
    np.testing.assert_array_equal(to_64(flat), np.full((64, 64, 3), 77))
