"""Box2D's solver of the car's joints, without the rounds of which nothing comes.

Gymnasium has it go round the four joints 180 times a frame. After a handful of rounds speeds have got as far as float32
goes: they are what they were a round ago, or two. From there on each round repeats the one before, but for sums that
each joint keeps of its impulses. So those sums are made here, to the last bit as Box2D does, and the rounds are left
out. Box2D's own code does all others.

It calls the solver of a joint by a table of functions, as C++ does (a vtable). For one frame the car's joints are given
a copy with a function of ours in it, which calls Box2D's or does not. Where Box2D is another, or its functions are not
to be found by name, or it adds otherwise, nothing is left out.

For a joint and a round: the motor's impulse is asked for by the speeds of its two bodies, added to the sum of those
before, and held within what the motor can do; by what the sum has changed, the wheel and the hull turn. The impulse of
the pin that holds the wheel is added up, too, but no round asks for that sum.
"""

import ctypes
import functools

import numpy as np
from numba import carray, types  # pyright: ignore[reportPrivateImportUsage] (numba's documented name)
from numpy.typing import NDArray

from reverie.compiled import called_from_c, compiled
from reverie.envs.car_racing.addresses import (
    TABLE_BEFORE,
    call,
    floats,
    function,
    functions_of,
    ints,
    pointer,
    words,
)

_SYMBOL = "_ZN15b2RevoluteJoint24SolveVelocityConstraintsERK12b2SolverData"
_SLOT = 9  # of that function in the table, whose first function is its zeroth
_FUNCTIONS = 11
# Places in a joint (b2RevoluteJoint), in numbers of four bytes: sums of impulses, and what the motor goes by.
_SUM_X, _SUM_Y, _SUM_LIMIT, _SUM_MOTOR, _TORQUE, _SPEED, _BODY_A, _BODY_B, _MASS = 36, 37, 38, 39, 41, 42, 47, 48, 70
_LIMIT, _HAS_MOTOR, _HAS_LIMIT = 71, 160, 172  # the last two in bytes
# Places in what it solves (b2SolverData): seconds and rounds, in numbers of four bytes; speeds, of eight.
_SECONDS, _ROUNDS, _SPEEDS = 0, 3, 4

_TRIALS = 48

_JOINTS = 4
_KEY = 3 * (1 + _JOINTS) + _JOINTS  # what a round goes by, but for the motors' sums: speeds, and sums at limits
_X, _Y, _ASKED, _GIVEN = range(4)  # what a round did to each joint: the pin's impulse, and the motor's
_DID = (4, _JOINTS)
# Places in a table, of numbers of eight bytes: behind the functions lies what ours has to know.
_SOLVE, _THEIRS, _CALLS, _UNTIL, _SINCE, _DONE, _AT = (TABLE_BEFORE + _FUNCTIONS + k for k in range(7))
_KEYS = _AT + _JOINTS  # of this round and of the two before, in numbers of four bytes
_ROUND = _KEYS + (3 * _KEY + 1) // 2  # what the last two did
_SIZE = _ROUND + 4 * _JOINTS


def solver(joints: list[int]) -> NDArray[np.int64] | None:
    """For the four joints at these addresses, what `shorten` takes, which has to outlive the frame; None where rounds
    cannot be left out."""
    theirs, tables = function(_SYMBOL), {tuple(functions_of(joint, _FUNCTIONS)) for joint in joints}
    if not theirs or len(tables) > 1 or next(iter(tables))[TABLE_BEFORE + _SLOT] != theirs:
        return None
    if not all(map(_has_been_solved, joints)) or not _adds_alike():
        return None
    table = np.zeros(_SIZE, np.int64)
    table[:_SOLVE] = tables.pop()
    table[TABLE_BEFORE + _SLOT], table[_SOLVE], table[_AT : _AT + _JOINTS] = _solve.address, theirs, joints
    table[_THEIRS] = ctypes.c_int64.from_address(joints[0]).value
    return table


def _has_been_solved(joint: int) -> bool:
    """Whether a joint of a car says which of the five bodies its two are."""
    numbers = (ctypes.c_int32 * 72).from_address(joint)
    return {numbers[_BODY_A], numbers[_BODY_B]} <= set(range(1 + _JOINTS)) and numbers[_BODY_A] != numbers[_BODY_B]


@functools.cache
def _adds_alike() -> bool:
    """Whether Box2D's code adds what we think it does, to the last bit, in joints that are made up here."""
    solve = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(function(_SYMBOL))
    rng, same = np.random.default_rng(0), True
    for k in range(_TRIALS):
        joint, speeds, data = (rng.standard_normal(size).astype(np.float32) for size in (72, 6, 10))
        joint.view(np.int32)[[_BODY_A, _BODY_B, _LIMIT]] = 0, 1, k % 3  # within its limits, at one, at the other
        joint.view(np.uint8)[[_HAS_MOTOR, _HAS_LIMIT]] = 1
        joint[_TORQUE], data[_SECONDS] = 50.0 * rng.random(), 0.02
        turning = speeds[5] - speeds[2] - joint[_SPEED]
        motor = _held.py_func(joint[_SUM_MOTOR] - joint[_MASS] * turning, data[_SECONDS] * joint[_TORQUE])
        blank, moved = joint.copy(), speeds.copy()
        blank[[_SUM_X, _SUM_Y]] = -0.0
        x, y = joint[[_SUM_X, _SUM_Y]]
        for one, its in ((joint, speeds), (blank, moved)):
            data.view(np.int64)[_SPEEDS] = its.ctypes.data
            solve(one.ctypes.data, data.ctypes.data)
        same &= bool(joint[_SUM_X] == x + blank[_SUM_X] and joint[_SUM_Y] == y + blank[_SUM_Y])
        same &= bool((speeds == moved).all() and joint[_SUM_MOTOR] == blank[_SUM_MOTOR] == motor)
        same &= bool(joint[_SUM_LIMIT] == blank[_SUM_LIMIT])
    return same


@compiled()
def shorten(table):
    """Until `as_before`, the joints are solved by our function. table: of `solver`."""
    table[_CALLS] = table[_UNTIL] = table[_SINCE] = table[_DONE] = 0
    for k in range(_JOINTS):
        words(table[_AT + k])[0] = table.ctypes.data + 8 * TABLE_BEFORE


@compiled()
def as_before(table, joints):
    """The joints at these addresses have Box2D's functions, whether or not it came to solve them."""
    for k in range(_JOINTS):
        words(joints[k])[0] = table[_THEIRS]


@compiled()
def _did(table, now):
    address = table.ctypes.data + 8 * (_ROUND + 2 * _JOINTS * (now % 2))
    return carray(pointer(address), _DID, np.float32)  # pyright: ignore[reportCallIssue] (numba gives the context)


@called_from_c(types.void(types.int64, types.int64))
def _solve(joint, data):
    """In place of Box2D's own: the addresses of a joint and of a b2SolverData."""
    table = words(words(joint)[0] - 8 * TABLE_BEFORE)
    calls, rounds = table[_CALLS], ints(data)[_ROUNDS]
    if calls >= table[_UNTIL]:
        if calls % _JOINTS == 0:
            _leave_out(table, data, calls // _JOINTS, rounds)
        if calls >= table[_UNTIL]:
            _do(table, joint, data, calls // _JOINTS, calls % _JOINTS)
    table[_CALLS] = calls + 1


@compiled()
def _do(table, joint, data, now, k):
    """Box2D's own, for the k-th joint of a round, and what it did."""
    sums, places, speeds = floats(joint), ints(joint), floats(words(data)[_SPEEDS])
    did, table[_AT + k] = _did(table, now), joint  # in Box2D's order
    turning = speeds[3 * places[_BODY_B] + 2] - speeds[3 * places[_BODY_A] + 2] - sums[_SPEED]
    x, y, motor = sums[_SUM_X], sums[_SUM_Y], sums[_SUM_MOTOR]
    sums[_SUM_X] = sums[_SUM_Y] = np.float32(-0.0)  # to which anything can be added without a change
    call(table[_SOLVE], joint, data)  # pyright: ignore[reportCallIssue] (numba gives the context)
    table[_DONE] += 1
    did[_X, k], did[_Y, k] = sums[_SUM_X], sums[_SUM_Y]
    did[_ASKED, k], did[_GIVEN, k] = -sums[_MASS] * turning, sums[_SUM_MOTOR] - motor
    sums[_SUM_X], sums[_SUM_Y] = x + did[_X, k], y + did[_Y, k]


@compiled()
def _leave_out(table, data, now, rounds):
    """Before a round: where it would repeat another, adds up what all of the others come to that do so, too."""
    same = _rounds_to_the_same(table, words(data)[_SPEEDS], now)
    if same:
        done = _add_up(table, data, now, same, (rounds - now) // same)
        if done:
            table[_SINCE] = now + done
            table[_UNTIL] = _JOINTS * (now + done)


@compiled()
def _rounds_to_the_same(table, speeds_at, now):
    """How many rounds ago all was as it is now: 1, 2, or 0 for neither. Keeps what is now in place of the older."""
    keys, speeds = ints(table.ctypes.data + 8 * _KEYS), ints(speeds_at)
    older, last, new = (now % 2) * _KEY, (1 - now % 2) * _KEY, 2 * _KEY
    for k in range(_JOINTS):
        joint = ints(table[_AT + k])
        keys[new + 4 * k] = joint[_SUM_LIMIT]
        for i in range(3):
            keys[new + 4 * k + 1 + i] = speeds[3 * joint[_BODY_B] + i]
            keys[new + 4 * _JOINTS + i] = speeds[3 * joint[_BODY_A] + i]
    one, two = now - 1 >= table[_SINCE], now - 2 >= table[_SINCE]
    for i in range(_KEY):
        one = one and keys[new + i] == keys[last + i]
        two = two and keys[new + i] == keys[older + i]
        keys[older + i] = keys[new + i]
    return 1 if one else (2 if two else 0)


@compiled()
def _add_up(table, data, now, same, times):
    """Adds what the last `same` rounds did to the sums, `times` over, or for as long as motors give the same by their
    sums; returns how many rounds that comes to."""
    for k in range(_JOINTS):
        most = floats(data)[_SECONDS] * floats(table[_AT + k])[_TORQUE]
        times = min(times, _as_given(floats(table[_AT + k])[_SUM_MOTOR], most, table, now, same, k, times)[1])
    for k in range(_JOINTS):
        sums = floats(table[_AT + k])
        most = floats(data)[_SECONDS] * sums[_TORQUE]
        sums[_SUM_MOTOR] = _as_given(sums[_SUM_MOTOR], most, table, now, same, k, times)[0]
        sums[_SUM_X] = _summed(sums[_SUM_X], table, now, same, _X, k, times)
        sums[_SUM_Y] = _summed(sums[_SUM_Y], table, now, same, _Y, k, times)
    return same * times


@compiled()
def _as_given(motor, most, table, now, same, k, times):
    """The sum of a motor's impulses after up to `times` of the last `same` rounds, and for how many of these times each
    round gives what it gave."""
    for n in range(times):
        start = motor
        for ago in range(same, 0, -1):
            did, before = _did(table, now - ago), motor
            motor = _held(motor + did[_ASKED, k], most)
            if motor - before != did[_GIVEN, k]:
                return start, n
        if motor == start:
            break
    return motor, times


@compiled()
def _held(motor, most):
    motor = motor if motor < most else most
    return -most if -most > motor else motor


@compiled()
def _summed(total, table, now, same, which, k, times):
    for _ in range(times):
        start = total
        for ago in range(same, 0, -1):
            total += _did(table, now - ago)[which, k]
        if total == start:
            break
    return total
