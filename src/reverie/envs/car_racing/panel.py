"""The indicator panel: score, speed, four wheels, steering and gyroscope, in the bottom 12 rows of the 96x96 frame."""

import numpy as np
from numba import njit

from reverie.envs.car_racing.scene import GYRO, OMEGA, SCORE, SPEED, STEER

LOSS = 1.02  # levels lost by pygame's shrinking, which rounds down twice
_JIT = {"cache": True, "nogil": True}
_TOP = 700  # the panel's first window row


@njit(**_JIT)
def _bar(cells, x0, y0, x1, y1, r, g, b):
    """Blend a rectangle given by its first and last window pixels."""
    x0, x1 = min(x0, x1), max(x0, x1) + 1
    y0, y1 = min(y0, y1), max(y0, y1) + 1
    left, right = max(x0, 0) * 0.096, min(x1, 1000) * 0.096
    top, bottom = (max(y0, _TOP) - _TOP) * 0.12, (min(y1, 800) - _TOP) * 0.12
    for i in range(int(top), min(int(np.ceil(bottom)), 12)):
        high = min(bottom, i + 1.0) - max(top, float(i))
        for j in range(int(left), min(int(np.ceil(right)), 96)):
            a = high * (min(right, j + 1.0) - max(left, float(j)))
            cells[i, j, 0] += a * (r - cells[i, j, 0])
            cells[i, j, 1] += a * (g - cells[i, j, 1])
            cells[i, j, 2] += a * (b - cells[i, j, 2])


@njit(**_JIT)
def draw(out, state, glyphs):
    """Draw the panel into out (12, 96, 3) uint8."""
    cells = np.zeros((12, 96, 3), np.float32)
    if abs(state[SPEED]) > 1e-4:
        _bar(cells, 125, int(800 - (20 + 20 * (0.02 * state[SPEED]))), 150, 780, 255.0, 255.0, 255.0)
    for k in range(4):
        omega = state[OMEGA + k]
        if abs(omega) > 1e-4:
            x = 175 + 25 * k
            _bar(cells, x, int(800 - (20 + 20 * (0.01 * omega))), x + 25, 780, 0.0 if k < 2 else 51.0, 0.0, 255.0)
    if abs(state[STEER]) > 1e-4:
        _bar(cells, 500, 720, int((20 - 10.0 * state[STEER]) * 25), 760, 0.0, 255.0, 0.0)
    if abs(state[GYRO]) > 1e-4:
        _bar(cells, 750, 720, int((30 - 0.8 * state[GYRO]) * 25), 760, 255.0, 0.0, 0.0)
    _score(cells, state[SCORE], glyphs)
    for y in range(12):
        for x in range(96):
            for ch in range(3):
                out[y, x, ch] = np.uint8(max(cells[y, x, ch] - LOSS, 0.0))


@njit(**_JIT)
def _score(cells, reward, glyphs):
    """Four characters, as f"{reward:04.0f}": rounded half to even, a minus takes one place."""
    number = int(np.round(reward))
    minus = 1 if reward < -0.5 or (number == 0 and np.copysign(1.0, reward) < 0) else 0
    number = abs(number)
    for place in range(3, -1, -1):
        if minus and place == 0:
            digit = 10
        else:
            digit = number % 10
            number //= 10
        for y in range(12):
            for x in range(12):
                v = 255.0 * glyphs[minus, place, digit, y, x]
                for ch in range(3):
                    cells[y, x, ch] += v
