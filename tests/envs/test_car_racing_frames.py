"""Frames are driven by our own code on Box2D's memory as Gymnasium drives them, to the last bit, or by Gymnasium's."""

from collections.abc import Callable
from typing import Any

import Box2D
import numpy as np
import pytest

from reverie.envs.car_racing import addresses, contacts, solver, wheels
from reverie.envs.car_racing.env import FastCarRacing
from reverie.envs.car_racing.frames import Frames

DECISIONS, REPEAT = 100, 4


def actions(seed: int) -> list[list[float]]:
    """After a long rest, what turns, brakes and leaves the road."""
    rng = np.random.default_rng(seed)
    found = [rng.uniform([-1, -0.2, -0.2], [1, 1.2, 1]).tolist() for _ in range(DECISIONS)]
    return [[0.0, 0.0, 0.0]] * 15 + [[0.05, 1.0, 0.0]] * 15 + found[30:]


def told(env: Any) -> list[Any]:
    """All that Gymnasium and Box2D say of a car and its road."""
    car, impulses = env.car, [float(x) for w in env.car.wheels for x in w.joint.GetReactionForce(50.0)]
    bodies = [
        (tuple(body.position), body.angle, tuple(body.linearVelocity), body.angularVelocity)
        for body in (car.hull, *car.wheels)
    ]
    numbers = [getattr(w, name) for w in car.wheels for name in ("gas", "brake", "steer", "phase", "omega")]
    motors = [wheel.joint.GetMotorTorque(50.0) for wheel in car.wheels]
    tiles = [sorted(tile.idx for tile in wheel.tiles) for wheel in car.wheels]
    visited = [tile.idx for tile in env.road if tile.road_visited]
    score = env.t, env.reward, env.prev_reward, env.tile_visited_count, env.new_lap
    return [bodies, impulses, motors, numbers, tiles, visited, score, env.scene[1].tolist()]


def drive(env: Any, seed: int, *, repeat: int = REPEAT) -> tuple[list[Any], np.ndarray, list[Any]]:
    """What comes of each decision of a drive, scenes on its way, and its end."""
    outcomes, scenes = [], []
    env.reset_undrawn(seed)
    for action in actions(seed):
        parts = [env.advance(action, repeat) for _ in range(REPEAT // repeat)]
        rew = 0.0
        for part, *_ in parts:
            rew += part
        outcomes.append((rew, parts[-1][1], sum(frames for *_, frames in parts), env.wheels_on_grass))
        env.read_scene()
        scenes.append(env.scene[-1].copy())
        if outcomes[-1][1]:
            break
    return outcomes, np.array(scenes), told(env)


Drive = Callable[[int], tuple[list[Any], np.ndarray, list[Any]]]


@pytest.fixture
def by_gymnasium(monkeypatch: pytest.MonkeyPatch) -> Drive:
    def found(seed: int) -> tuple[list[Any], np.ndarray, list[Any]]:
        with monkeypatch.context() as patch:
            patch.setattr(Frames, "of", lambda *_: None)
            return drive(FastCarRacing(), seed)

    return found


def assert_same(one: tuple[list[Any], np.ndarray, list[Any]], other: tuple[list[Any], np.ndarray, list[Any]]) -> None:
    assert one[0] == other[0]
    np.testing.assert_array_equal(one[1], other[1])
    for a, b in zip(one[2], other[2], strict=True):
        assert a == b


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_all_of_it_is_gymnasiums(seed: int, by_gymnasium: Drive) -> None:
    env = FastCarRacing()
    found = drive(env, seed)
    assert_same(found, by_gymnasium(seed))
    assert np.ptp(found[1][:, :2]) > 5  # it went somewhere
    assert found[2][-2][3] > 3  # over some tiles


def test_frames_are_the_same_one_by_one(by_gymnasium: Drive) -> None:
    assert_same(drive(FastCarRacing(), 3, repeat=1), by_gymnasium(3))


def test_whoever_looks_at_the_car_sees_it_as_it_is_and_the_drive_goes_on(by_gymnasium: Drive) -> None:
    class Watched(FastCarRacing):
        def advance(self, action: Any, frames: int = 1) -> tuple[float, bool, int]:
            found = super().advance(action, frames)
            assert self._frames
            on_grass = self.wheels_on_grass
            assert all(w.steer == self.car.wheels[0].steer for w in self.car.wheels[:2])
            assert not self._frames
            assert on_grass == self.wheels_on_grass
            return found

    assert_same(drive(Watched(), 3), by_gymnasium(3))


def test_gymnasiums_code_may_take_turns_with_ours(by_gymnasium: Drive) -> None:
    class Turns(FastCarRacing):
        turn = 0

        def _take_frames(self) -> Frames | None:
            return None if self.turn % 3 == 0 else super()._take_frames()

        def advance(self, action: Any, frames: int = 1) -> tuple[float, bool, int]:
            self.turn += 1
            if self.turn % 3 == 0:
                assert self.world is not None
            return super().advance(action, frames)

    assert_same(drive(Turns(), 3), by_gymnasium(3))


def test_wheels_that_are_kept_know_their_tiles_and_may_be_taken_out() -> None:
    env = driven()
    kept = list(env.car.wheels)
    env.advance([-0.1, 0.2, 0.0], 4)
    assert env._frames
    tiles = [set(wheel.tiles) for wheel in kept]
    assert all(tiles)
    contacts_of_it = env._frames._contacts
    contacts_of_it.table[contacts._NUM_EVENTS] = contacts._ROOM + 1  # more than it keeps one by one
    for wheel in kept:
        wheel.tiles.pop()
    contacts_of_it.tell()
    assert [wheel.tiles for wheel in kept] == tiles
    kept[0].active = False
    assert not kept[0].tiles


def driven() -> Any:
    env = FastCarRacing()
    env.reset_undrawn(3)
    env.advance([0.1, 1.0, 0.0], 30)
    assert env._frames
    return env


def test_box2ds_functions_are_its_own_between_frames() -> None:
    env = driven()
    listener = env._world.contactListener
    assert contacts.can_notice(env, env._world)
    joint = int(env._car.wheels[0].joint.this)
    table = addresses.functions_of(joint, 11)
    assert table[addresses.TABLE_BEFORE + solver._SLOT] == addresses.function(solver._SYMBOL)
    plain = Box2D.b2World()
    other: Any = plain.CreateRevoluteJoint(
        bodyA=plain.CreateDynamicBody(), bodyB=plain.CreateDynamicBody(), anchor=(0, 0)
    )
    assert table == addresses.functions_of(int(other.this), 11)
    assert listener.env is env


def test_most_rounds_are_left_out() -> None:
    """Box2D's solver is called for four joints in each of 180 rounds a frame."""
    env = FastCarRacing()
    env.reset_undrawn(3)
    env.advance([0.0, 0.0, 0.0])
    assert env._frames
    shares = []
    for action in actions(3):
        env.advance(action)
        table = env._frames._joints
        assert table[solver._CALLS] == 720
        shares.append(table[solver._DONE] / 720)
    assert len(shares) > 50
    assert np.median(shares) < 0.2


@pytest.mark.parametrize(
    "place", ["_X", "_Y", "_ANGLE", "_VX", "_VY", "_SPIN", "_COS", "_SIN", "_BODY_A", "_BODY_B", "_MOTOR", "_RADIUS"]
)
def test_a_car_that_lies_otherwise_in_memory_is_left_to_gymnasium(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    env = driven()
    assert wheels.can_drive(env.car)
    monkeypatch.setattr(wheels, place, getattr(wheels, place) - 1)
    assert not wheels.can_drive(env.car)
    env.advance([0.5, 1.0, 0.0])
    assert env._frames is None


@pytest.mark.parametrize("place", ["_FX", "_FY", "_SLEEP"])
def test_forces_are_looked_for_before_any_is_written(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert wheels._knows_forces.__wrapped__()
    monkeypatch.setattr(wheels, place, getattr(wheels, place) + 3)
    assert not wheels._knows_forces.__wrapped__()


@pytest.mark.parametrize("place", ["_FIXTURE_A", "_FIXTURE_B", "_BODY"])
def test_contacts_that_lie_otherwise_are_left_to_gymnasium(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert contacts._knows_contacts.__wrapped__()
    monkeypatch.setattr(contacts, place, getattr(contacts, place) - 1)
    assert not contacts._knows_contacts.__wrapped__()


@pytest.mark.parametrize("place", ["_SUM_X", "_SUM_Y", "_SUM_MOTOR", "_TORQUE", "_SPEED", "_MASS"])
def test_a_solver_that_adds_otherwise_is_left_alone(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert solver._adds_alike.__wrapped__()
    monkeypatch.setattr(solver, place, 60)  # a number that it reads, and none of these
    assert not solver._adds_alike.__wrapped__()


@pytest.mark.parametrize("place", ["_BODY_A", "_BODY_B"])
def test_joints_whose_bodies_are_kept_elsewhere_are_left_alone(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    env = driven()
    joints = [int(wheel.joint.this) for wheel in env.car.wheels]
    assert solver.solver(joints) is not None
    monkeypatch.setattr(solver, place, solver._MASS)
    assert solver.solver(joints) is None


@pytest.mark.parametrize("how", ["another Box2D", "a function without a name", "a listener of somebody's"])
def test_what_is_not_known_is_left_to_gymnasium(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    env = driven()
    env._give_back()
    addresses.function.cache_clear()
    if how == "another Box2D":
        monkeypatch.setattr(Box2D, "__version__", "2.4.1")
    elif how == "a function without a name":
        monkeypatch.setattr("reverie.envs.car_racing.frames._STEP", "_ZN7b2World5HurryEv")
    else:
        env.world.contactListener = listener = Box2D.b2ContactListener()
        assert listener is not None
    env.advance([0.5, 1.0, 0.0])
    assert env._frames is None
    addresses.function.cache_clear()


def test_a_step_ends_where_it_leaves_the_field_and_says_so() -> None:
    env = driven()
    env.car.hull.position = (400.0, 0.0)
    _, rew, end, trunc, info = env.step(np.array([0.0, 0.0, 0.0]))
    assert (rew, end, trunc, info) == (-100.0, True, False, {"lap_finished": False})


@pytest.mark.parametrize("options", [{"render_mode": "rgb_array"}, {"continuous": False}])
def test_who_wants_gymnasiums_pictures_or_its_choices_gets_its_wheels(options: dict[str, Any]) -> None:
    env = FastCarRacing(**options)
    env.reset_undrawn(3)
    env.advance([0.0, 1.0, 0.0] if env.continuous else 3)
    assert env._frames is None


def change_what_gymnasium_reads(env: Any, what: str) -> None:
    if what == "slippery tiles":
        for tile in env.road:
            tile.road_friction = 0.1
    elif what == "tiles to be visited again":
        for tile in env.road:
            tile.road_visited = False
    elif what == "a color":
        env.road_color = np.array([0.0, 0.0, 255.0])
    elif what == "a car's own step":
        env.car.step = lambda _: None
    elif what == "a share of the lap, too late":
        env.lap_complete_percent = 0.0
    else:
        x, y = env.car.hull.GetWorldPoint((0.0, 8.0))
        shape = Box2D.b2FixtureDef(shape=Box2D.b2PolygonShape(box=(1.5, 1.0)), density=1.0)
        env.world.CreateDynamicBody(position=(x, y), angle=0.3, fixtures=shape)


@pytest.mark.parametrize(
    "what",
    [
        "slippery tiles",
        "tiles to be visited again",
        "a color",
        "a car's own step",
        "a share of the lap, too late",
        "something in the way",
    ],
)
def test_what_is_changed_in_the_middle_is_heeded(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def driven_on(drives: Callable[[], Any]) -> list[Any]:
        env = drives()
        change_what_gymnasium_reads(env, what)
        return [[env.advance(action, 4) for action in actions(3)[15:45]], told(env)]

    def by_theirs() -> Any:
        env = FastCarRacing()
        env.reset_undrawn(3)
        env.advance([0.1, 1.0, 0.0], 30)
        return env

    found = driven_on(driven)
    monkeypatch.setattr(Frames, "of", lambda *_: None)
    assert found == driven_on(by_theirs)


@pytest.mark.parametrize("name", ["ENGINE_POWER", "FRICTION_LIMIT", "WHEEL_MOMENT_OF_INERTIA", "SIZE", "WHEEL_R"])
def test_a_car_of_other_numbers_is_left_to_gymnasium(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    env = driven()
    monkeypatch.setattr(wheels.car_dynamics, name, 2 * getattr(wheels.car_dynamics, name))
    assert not wheels.can_drive(env.car)


@pytest.mark.parametrize("how", ["static", "inactive"])
def test_joints_that_box2d_does_not_solve_together_keep_nothing_of_ours(how: str) -> None:
    env = driven()
    hull = env._car.hull  # as if somebody had kept it
    if how == "inactive":
        hull.active = False
    else:
        hull.type = Box2D.b2_staticBody
    env.advance([0.1, 1.0, 0.0])
    for wheel in env._car.wheels:
        table = addresses.functions_of(int(wheel.joint.this), 11)
        assert table[addresses.TABLE_BEFORE + solver._SLOT] == addresses.function(solver._SYMBOL)
    assert not wheels.can_drive(env.car)


def test_whoever_filters_contacts_is_asked() -> None:
    class Filter(Box2D.b2ContactFilter):
        asked = 0

        def ShouldCollide(self, *_: Any) -> bool:
            Filter.asked += 1
            return True

    env = driven()
    env.world.contactFilter = env.kept = Filter()
    env.advance([0.1, 1.0, 0.0], 200)
    assert env._frames is None
    assert Filter.asked > 0
