"""FastCarRacing is Gymnasium's CarRacing in all but the painter."""

from typing import Any, cast

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.box2d import car_dynamics
from gymnasium.envs.box2d.car_racing import CarRacing
from gymnasium.utils.env_checker import check_env
from tests.processes import python

from reverie.envs import EnvConfig, make_env
from reverie.envs.car_racing.env import FastCarRacing
from reverie.envs.vector import Start
from reverie.errors import UserError


class Undrawn(CarRacing):
    """Gymnasium's own, without its slow pictures."""

    def _render(self, mode: str) -> Any:  # noqa: ARG002  # Gymnasium's signature
        return None


SEEDS = {"follow_road": 3, "lap": 4, "spin": 11, "wander": 12, "leave": 13}


def test_rewards_endings_info_and_physics_are_gymnasiums(driver):
    theirs: Any = Undrawn()
    ours: Any = FastCarRacing()
    undrawn: Any = FastCarRacing()
    end, seed = False, SEEDS[driver.__name__]
    _, info = theirs.reset(seed=seed)
    assert ours.reset(seed=seed)[1] == info
    undrawn.reset_undrawn(seed)
    assert ours.track == theirs.track
    for frame in range(1000 if driver.__name__ == "lap" else 700):
        action = driver(theirs, frame)
        _, rew, end, trunc, info = theirs.step(action)
        assert ours.step(action)[1:] == (rew, end, trunc, info), frame
        assert undrawn.advance(action) == (rew, end, 1), frame
        for env in (ours, undrawn):
            assert env.reward == theirs.reward
            assert tuple(env.car.hull.position) == tuple(theirs.car.hull.position)
            assert [w.omega for w in env.car.wheels] == [w.omega for w in theirs.car.wheels]
        if end:
            break
    assert end == (driver.__name__ in ("lap", "leave"))
    assert info == {"lap": {"lap_finished": True}, "leave": {"lap_finished": False}}.get(driver.__name__, {})


def test_tracks_are_gymnasiums_to_the_last_bit():
    theirs: Any = Undrawn()
    ours: Any = FastCarRacing()
    for seed in range(40):
        theirs.reset(seed=seed)
        ours.reset_undrawn(seed)
        assert ours.track == theirs.track, seed
        assert ours.start_alpha == theirs.start_alpha
        assert ours.np_random.bit_generator.state == theirs.np_random.bit_generator.state
        for mine, tile in zip(ours.road, theirs.road, strict=True):
            assert (mine.idx, mine.road_visited, mine.road_friction) == (
                tile.idx,
                tile.road_visited,
                tile.road_friction,
            )
            assert mine.fixtures[0].sensor == tile.fixtures[0].sensor is True
            assert mine.fixtures[0].shape.vertices == tile.fixtures[0].shape.vertices
        for (corners, color), (their_corners, their_color) in zip(ours.road_poly, theirs.road_poly, strict=True):
            assert corners == their_corners
            np.testing.assert_array_equal(color, their_color)


def test_a_finished_lap_ends_as_in_gymnasium():
    theirs, ours = Undrawn(lap_complete_percent=0.1), FastCarRacing(lap_complete_percent=0.1)
    for env in (theirs, ours):
        env.reset(seed=3)
        env.new_lap = True
    action = np.zeros(3, np.float32)
    outcome = theirs.step(action)[1:]
    assert ours.step(action)[1:] == outcome
    assert outcome[1:] == (True, False, {"lap_finished": True})


@pytest.mark.parametrize("options", [None, {"randomize": False}, {"randomize": True}])
def test_discrete_actions_and_random_colours(options):
    theirs = Undrawn(continuous=False, domain_randomize=True)
    ours = FastCarRacing(continuous=False, domain_randomize=True)
    assert ours.action_space == theirs.action_space
    for env in (theirs, ours):
        env.reset(seed=5)
        env.reset(options=options)
    np.testing.assert_array_equal(ours.bg_color, theirs.bg_color)
    for frame in range(150):
        action = [3, 3, 1, 0, 2, 4][frame % 6]
        assert ours.step(action)[1:] == theirs.step(action)[1:]


def test_options_are_those_of_gymnasium_and_a_start_and_others_are_refused() -> None:
    env = FastCarRacing()
    for options in (None, {}, {"randomize": True}, {"start": None}, {"start": Start(0.5, 0.0, 0.0)}):
        env.reset(seed=0, options=options)
    with pytest.raises(UserError, match="'starts' is not one of reverie/CarRacing-v3: it knows start, randomize"):
        env.reset(options={"starts": Start(0.5, 0.0, 0.0)})
    with pytest.raises(UserError, match=r"'start' must be a reverie.envs.vector.Start, not \(0.5, 0, 0\)"):
        env.reset(options={"start": (0.5, 0, 0)})


DRIVE = """
import hashlib
import numpy as np
from reverie.envs import EnvConfig, make_vector_env
from reverie.envs.car_racing.env import FastCarRacing

def drive():
    digest, rng = hashlib.sha256(), np.random.default_rng(0)
    env, batch = FastCarRacing(), make_vector_env(EnvConfig(), 2)
    digest.update(env.reset(seed=4)[0].tobytes() + batch.reset([0, 1], [4, 5]).tobytes())
    for _ in range(60):
        act = rng.uniform([-1, 0, 0], [1, 1, 1]).astype(np.float32)
        digest.update(env.step(act)[0].tobytes())
        for part in batch.step([0, 1], np.stack([act, -act])):
            digest.update(part.tobytes())
    return digest.hexdigest()

found = drive(), drive()
"""


def test_same_seed_and_actions_give_the_same_bytes_in_any_run_and_process():
    here: dict[str, Any] = {}
    exec(DRIVE, here)
    assert here["found"][0] == here["found"][1]
    assert tuple(python("-c", f"{DRIVE}\nprint(*found)").split()) == here["found"]


def test_frames_belong_to_the_caller():
    env = FastCarRacing()
    first, _ = env.reset(seed=4)
    copy = first.copy()
    for _ in range(5):
        env.step(np.array([0, 1, 0], np.float32))
    np.testing.assert_array_equal(first, copy)


@pytest.mark.filterwarnings(
    "ignore:.*For Box action spaces, we recommend:UserWarning"
)  # gas and brake are not symmetric
@pytest.mark.filterwarnings("ignore:.*A Box observation space has:UserWarning")
def test_gymnasiums_checker_passes():
    check_env(gymnasium.make("reverie/CarRacing-v3", disable_env_checker=True).unwrapped, skip_render_check=True)


def test_rgb_array_is_gymnasiums_picture():
    theirs: Any = CarRacing(render_mode="rgb_array")
    ours: Any = FastCarRacing(render_mode="rgb_array")
    for env in (theirs, ours):
        env.reset(seed=6)
        for _ in range(60):
            env.step(np.array([0.4, 0.5, 0.0], np.float32))
    np.testing.assert_array_equal(ours.render(), theirs.render())


def test_gymnasium_makes_it_in_a_fresh_process():
    code = (
        "import gymnasium\n"
        "env = gymnasium.make('reverie.envs:reverie/CarRacing-v3')\n"
        "obs, _ = env.reset(seed=0)\n"
        "print(type(env.unwrapped).__name__, obs.shape, obs.dtype)\n"
    )
    assert python("-c", code).splitlines()[-1] == "FastCarRacing (96, 96, 3) uint8"


def test_importing_the_package_loads_no_environment():
    code = "import sys, reverie.envs; print({'numba', 'pygame', 'Box2D', 'torch'} & set(sys.modules))"
    assert python("-c", code).strip() == "set()"


@pytest.mark.parametrize("renderer", ["fast", "gymnasium"])
def test_a_reset_frees_what_the_one_before_it_built(renderer: Any, monkeypatch: pytest.MonkeyPatch):
    """Box2D would keep the shape of each part of each car for ever."""
    built, dynamics = [], cast(Any, car_dynamics)

    def build(**what: Any) -> Any:
        built.append(polygon(**what))
        return built[-1]

    polygon = dynamics.polygonShape
    monkeypatch.setattr(dynamics, "polygonShape", build)
    definition = dynamics.fixtureDef
    env = make_env(EnvConfig(renderer=renderer), disable_env_checker=True)
    for seed in range(2):
        env.reset(seed=seed)
    env.close()
    assert len(built) == 2 * (4 + 4), "hull and wheels"
    assert all(shape.thisown for shape in built), "nobody frees a shape that Python does not own"
    assert dynamics.fixtureDef is definition, "Gymnasium's own environments are left as they are"
