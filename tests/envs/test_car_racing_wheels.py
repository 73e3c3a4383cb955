"""The car is driven by our own code on Box2D's memory as Gymnasium drives it, to the last bit, or by Gymnasium's."""

from typing import Any

import numpy as np
import pytest

from reverie.envs.car_racing import wheels
from reverie.envs.car_racing.env import FastCarRacing

FRAMES = 300


def drive(env: Any, *, seed: int = 3) -> tuple[list[Any], np.ndarray, list[float]]:
    """What comes of a drive that begins after a long rest, scenes on its way, and the wheels at its end."""
    rng, outcomes, scenes = np.random.default_rng(seed), [], []
    env.reset_undrawn(seed)
    for frame in range(FRAMES):
        act = [0.0, 0.0, 0.0] if frame < 60 else rng.uniform([-1, -0.2, -0.2], [1, 1.2, 1]).tolist()
        outcomes.append(env.advance(act))
        env.read_scene()
        scenes.append(env.scene[-1].copy())
    ends = [getattr(w, name) for w in env.car.wheels for name in ("gas", "brake", "steer", "phase", "omega")]
    return outcomes, np.array(scenes), ends


@pytest.fixture
def by_gymnasium(monkeypatch: pytest.MonkeyPatch) -> tuple[list[Any], np.ndarray, list[float]]:
    with monkeypatch.context() as patch:
        patch.setattr("reverie.envs.car_racing.env.can_drive", lambda _: False)
        return drive(FastCarRacing())


def test_all_of_it_is_gymnasiums(by_gymnasium: Any) -> None:
    env = FastCarRacing()
    outcomes, scenes, ends = drive(env)
    assert outcomes == by_gymnasium[0]
    np.testing.assert_array_equal(scenes, by_gymnasium[1])
    assert ends == by_gymnasium[2]
    assert np.ptp(scenes[:, :2]) > 5  # it went somewhere


def test_whoever_looks_at_the_car_sees_it_as_it_is_and_the_drive_goes_on(by_gymnasium: Any) -> None:
    class Watched(FastCarRacing):
        def advance(self, action: Any) -> tuple[float, bool]:
            found = super().advance(action)
            assert self._wheels
            assert all(w.steer == self.car.wheels[0].steer for w in self.car.wheels[:2])
            assert not self._wheels
            return found

    outcomes, scenes, ends = drive(Watched())
    assert outcomes == by_gymnasium[0]
    np.testing.assert_array_equal(scenes, by_gymnasium[1])
    assert ends == by_gymnasium[2]


@pytest.mark.parametrize(
    "place", ["_X", "_Y", "_ANGLE", "_VX", "_VY", "_SPIN", "_COS", "_SIN", "_BODY_A", "_BODY_B", "_MOTOR", "_RADIUS"]
)
def test_a_car_that_lies_otherwise_in_memory_is_left_to_gymnasium(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    env = FastCarRacing()
    env.reset_undrawn(3)
    for _ in range(30):
        env.advance([0.5, 1.0, 0.0])
    assert wheels.can_drive(env.car)
    monkeypatch.setattr(wheels, place, getattr(wheels, place) - 1)
    assert not wheels.can_drive(env.car)
    env.advance([0.5, 1.0, 0.0])
    assert env._wheels is None


@pytest.mark.parametrize("place", ["_FX", "_FY", "_SLEEP"])
def test_forces_are_looked_for_before_any_is_written(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert wheels._knows_forces.__wrapped__()
    monkeypatch.setattr(wheels, place, getattr(wheels, place) + 3)
    assert not wheels._knows_forces.__wrapped__()


@pytest.mark.parametrize("options", [{"render_mode": "rgb_array"}, {"continuous": False}])
def test_who_wants_gymnasiums_pictures_or_its_choices_gets_its_wheels(options: dict[str, Any]) -> None:
    env = FastCarRacing(**options)
    env.reset_undrawn(3)
    env.advance([0.0, 1.0, 0.0] if env.continuous else 3)
    assert env._wheels is None
