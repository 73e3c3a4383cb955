"""The car's frame before Box2D steps the world, in one compiled call: Gymnasium's `Car.step`, bit for bit, on the
bodies where Box2D keeps them. By Gymnasium's own code and Box2D's binding it costs more than the step itself.

What is read and written are fields of Box2D's bodies and joints at known places of their memory; all of it can be had
by the binding, too, and is compared with what that says before a car is taken over. Where it is not what was expected,
as with another Box2D, or where it is not known, Gymnasium's code drives on.
"""

import ctypes
import functools
import math
from typing import Any

import Box2D
import numpy as np
from gymnasium.envs.box2d import car_dynamics
from gymnasium.envs.box2d import car_racing as gym_car
from numba import carray  # pyright: ignore[reportPrivateImportUsage] (numba's documented name)
from numpy.typing import NDArray

from reverie.compiled import compiled
from reverie.envs.car_racing import scene
from reverie.envs.car_racing.addresses import floats, pointer
from reverie.envs.car_racing.contacts import is_on
from reverie.envs.car_racing.scene import GYRO, HULL, SPEED, TIME, WHEELS

OMEGAS, STEERED = scene.OMEGA, scene.STEER
# Places in a body (b2Body) and a revolute joint, in numbers of four bytes.
_NUM = 48
_FLAGS, _AWAKE = 2, 2  # flags in numbers of two bytes, and the bit of those that are awake
_X, _Y, _SIN, _COS, _ANGLE, _VX, _VY, _SPIN, _FX, _FY, _SLEEP = 3, 4, 5, 6, 14, 16, 17, 18, 19, 20, 43
_BODY_A, _BODY_B, _MOTOR = 12, 13, 42  # bodies in numbers of eight bytes

GAS, BRAKE, STEER, PHASE, OMEGA = range(5)
"""What Gymnasium keeps of a wheel beside its body."""
_DT = 1.0 / gym_car.FPS
_POWER = _DT * car_dynamics.ENGINE_POWER
_INERTIA = car_dynamics.WHEEL_MOMENT_OF_INERTIA
_ON_ROAD, _ON_GRASS = car_dynamics.FRICTION_LIMIT * 1.0, car_dynamics.FRICTION_LIMIT * 0.6
_STIFFNESS = 205000 * car_dynamics.SIZE * car_dynamics.SIZE
_RADIUS = 1.0 * car_dynamics.WHEEL_R * car_dynamics.SIZE
_BRAKE_FORCE = 15
_FIELD = gym_car.PLAYFIELD


class Wheels:
    """The wheels of a car of Gymnasium's, driven without its code; until `give_back`, Gymnasium's car does not know of
    what came of them."""

    def __init__(self, car: Any) -> None:
        """Takes over from `car`, which `can_drive`."""
        self._car = car
        self.at = np.array(_addresses(car), np.int64)
        """(9,) of the hull, the wheels and their joints."""
        self.numbers = np.array([[w.gas, w.brake, w.steer, w.phase, w.omega] for w in car.wheels], np.float64)
        """(4, 5)"""

    def look(self, time: float, state: NDArray[np.float64]) -> None:
        """Writes what `Scenes.load_state` reads of the car, at `time`, into a state vector of a scene."""
        hull = _memory(int(self.at[0]))
        vx, vy = hull[_VX], hull[_VY]
        _look(self.at, self.numbers, time, (vx * vx + vy * vy) ** 0.5, state)

    def give_back(self) -> None:
        """Tells Gymnasium's car."""
        for wheel, (gas, brake, steer, phase, omega) in zip(self._car.wheels, self.numbers.tolist(), strict=True):
            wheel.gas, wheel.brake, wheel.steer, wheel.phase, wheel.omega = gas, brake, steer, phase, omega


def can_drive(car: Any) -> bool:
    """Whether this car's bodies lie in memory as they should."""
    return _is_gymnasiums(car) and _numbers() == _NUMBERS and _knows_forces() and _is_as_told(car)


def _is_gymnasiums(car: Any) -> bool:
    """Whether a car is driven by the code that ours stands for."""
    return all(getattr(getattr(car, name), "__func__", None) is code for name, code in _METHODS.items())


def _numbers() -> list[float]:
    """What Gymnasium's code goes by, and ours has been compiled with."""
    names = ("SIZE", "ENGINE_POWER", "WHEEL_MOMENT_OF_INERTIA", "FRICTION_LIMIT", "WHEEL_R")
    return [gym_car.FPS, gym_car.PLAYFIELD, *(getattr(car_dynamics, name) for name in names)]


_NUMBERS = _numbers()
_METHODS = {name: getattr(car_dynamics.Car, name) for name in ("step", "steer", "gas", "brake")}


def _addresses(car: Any) -> list[int]:
    """Of the hull, the wheels and their joints."""
    return [int(part.this) for part in (car.hull, *car.wheels, *(wheel.joint for wheel in car.wheels))]


def _memory(address: int) -> Any:
    return (ctypes.c_float * _NUM).from_address(address)


def _is_as_told(car: Any) -> bool:
    """Whether all but forces is what the binding says of it, and no wheel or joint is other than Gymnasium makes it."""
    hull, *rest = _addresses(car)
    for address, body in zip([hull, *rest[:4]], [car.hull, *car.wheels], strict=True):
        seen, (cos, sin) = _memory(address), body.GetWorldVector((1, 0))
        found = [seen[i] for i in (_X, _Y, _ANGLE, _VX, _VY, _SPIN, _COS, _SIN)]
        told = [*body.position, body.angle, *body.linearVelocity, body.angularVelocity, cos, sin]
        flags = (ctypes.c_uint16 * 4).from_address(address)[_FLAGS]
        if found != told or bool(flags & _AWAKE) != body.awake:
            return False
        if not body.active or body.type != Box2D.b2_dynamicBody:  # which Box2D would not solve together
            return False
    for k, wheel in enumerate(car.wheels):
        address = rest[4 + k]
        pointers, joint = (ctypes.c_int64 * 14).from_address(address), wheel.joint
        angle = np.float32(_memory(rest[k])[_ANGLE]) - np.float32(_memory(hull)[_ANGLE])
        if (pointers[_BODY_A], pointers[_BODY_B]) != (hull, rest[k]) or wheel.wheel_rad != _RADIUS:
            return False
        if _memory(address)[_MOTOR] != joint.motorSpeed or angle != joint.angle:
            return False
    return True


@functools.cache
def _knows_forces() -> bool:
    """Whether the binding puts forces, and the time that a body has been at rest, where they are expected."""
    world = Box2D.b2World(gravity=(0, 0))
    shape = Box2D.b2FixtureDef(shape=Box2D.b2PolygonShape(box=(1, 1)), density=1)
    body: Any = world.CreateDynamicBody(position=(1, 2), fixtures=shape)
    seen = _memory(int(body.this))
    body.ApplyForceToCenter((3.0, -5.0), True)
    pushed = seen[_FX], seen[_FY]
    body.linearVelocity = (0.0, 0.0)
    body.ApplyForceToCenter((-3.0, 5.0), True)
    still = seen[_FX], seen[_FY]
    world.Step(0.25, 1, 1)
    return (pushed, still, seen[_SLEEP]) == ((3.0, -5.0), (0.0, 0.0), 0.25)


@compiled()
def _wake(address):
    """As `b2Body::SetAwake`."""
    flags = carray(pointer(address), 4, np.uint16)  # pyright: ignore[reportCallIssue] (numba gives the context)
    if not flags[_FLAGS] & _AWAKE:
        flags[_FLAGS] |= _AWAKE
        floats(address)[_SLEEP] = np.float32(0)


@compiled()
def _sign(x):
    return 1.0 if x > 0 else (-1.0 if x < 0 else 0.0)


@compiled(kept=True)
def outside(at):
    """Whether the hull has left the field."""
    hull = floats(at[0])
    return abs(np.float64(hull[_X])) > _FIELD or abs(np.float64(hull[_Y])) > _FIELD


@compiled()
def drive(at, numbers, contacts, steer, gas, brake):
    """What Gymnasium does by an action before the world is stepped. at (9,) addresses, numbers (4, 5) of the wheels,
    contacts: a table of `Contacts`."""
    hull = floats(at[0])
    gas = min(max(gas, 0.0), 1.0)
    for k in range(4):
        body, joint, wheel = floats(at[1 + k]), floats(at[5 + k]), numbers[k]
        if k < 2:
            wheel[STEER] = -steer
        else:
            wheel[GAS] += min(gas - wheel[GAS], 0.1)
        wheel[BRAKE] = brake
        turn = wheel[STEER] - np.float64(np.float32(body[_ANGLE] - hull[_ANGLE]))
        _wake(at[0])
        _wake(at[1 + k])
        joint[_MOTOR] = np.float32(_sign(turn) * min(50.0 * abs(turn), 3.0))

        limit = max(_ON_GRASS, _ON_ROAD) if is_on(contacts, k) else _ON_GRASS
        zero, s, c = np.float32(0), body[_SIN], body[_COS]
        forward_x, forward_y = np.float64(np.float32(c * zero - s)), np.float64(np.float32(s * zero + c))
        side_x, side_y = np.float64(np.float32(c - s * zero)), np.float64(np.float32(s + c * zero))
        vx, vy = np.float64(body[_VX]), np.float64(body[_VY])
        v_forward = forward_x * vx + forward_y * vy
        v_side = side_x * vx + side_y * vy

        omega = wheel[OMEGA]
        omega += _POWER * wheel[GAS] / _INERTIA / (abs(omega) + 5.0)
        if wheel[BRAKE] >= 0.9:
            omega = 0.0
        elif wheel[BRAKE] > 0:
            omega += -_sign(omega) * min(_BRAKE_FORCE * wheel[BRAKE], abs(omega))
        wheel[PHASE] += omega * _DT
        along = (-v_forward + omega * _RADIUS) * _STIFFNESS
        across = -v_side * _STIFFNESS
        force = math.sqrt(along * along + across * across)
        if abs(force) > limit:
            along = along / force * limit
            across = across / force * limit
        wheel[OMEGA] = omega - _DT * along * _RADIUS / _INERTIA
        body[_FX] += np.float32(across * side_x + along * forward_x)
        body[_FY] += np.float32(across * side_y + along * forward_y)


@compiled(kept=True)
def _look(at, numbers, time, speed, state):
    hull, front = floats(at[0]), floats(at[1])
    state[HULL], state[HULL + 1], state[HULL + 2], state[TIME] = hull[_X], hull[_Y], hull[_ANGLE], time
    for k in range(4):
        body, place = floats(at[1 + k]), WHEELS + 4 * k
        state[place], state[place + 1], state[place + 2] = body[_X], body[_Y], body[_ANGLE]
        state[place + 3] = numbers[k, PHASE]
        state[OMEGAS + k] = numbers[k, OMEGA]
    state[SPEED] = speed
    state[STEERED] = np.float32(front[_ANGLE] - hull[_ANGLE])
    state[GYRO] = hull[_SPIN]
