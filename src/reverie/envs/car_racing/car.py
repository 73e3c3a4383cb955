"""The car, drawn pixel by pixel at window resolution by pygame's rule and averaged into the cells of the frame."""

import math

import numpy as np
from gymnasium.envs.box2d import car_dynamics as dyn
from numba import njit

from reverie.envs.car_racing.scene import HULL, WHEELS

_JIT = {"cache": True, "nogil": True}
_W, _H = 96, 160  # window pixels around the hull
_LEFT, _BOTTOM = 500 - _W // 2, 200 - _H // 2

_PARTS = [dyn.HULL_POLY1, dyn.HULL_POLY2, dyn.HULL_POLY3, dyn.HULL_POLY4]
_HULL = np.zeros((4, 8, 2), np.float32)
for _k, _part in enumerate(_PARTS):
    _HULL[_k, : len(_part)] = np.asarray(_part, np.float64) * dyn.SIZE
_CORNERS = np.array([len(p) for p in _PARTS])
_WHEEL_W, _WHEEL_R = dyn.WHEEL_W * dyn.SIZE, dyn.WHEEL_R * dyn.SIZE
_COLORS = np.array([(0, 0, 0), (0, 0, 0), dyn.WHEEL_WHITE, (204, 0, 0)], np.float32)


@njit(**_JIT)
def _fill(pixels, xs, ys, n, value):
    """pygame.draw.polygon: spans include both ends, crossings are truncated."""
    lo, hi = ys[0], ys[0]
    for i in range(1, n):
        lo, hi = min(lo, ys[i]), max(hi, ys[i])
    for y in range(max(lo, 0), min(hi, _H - 1) + 1):
        left, right = _W, -1
        for i in range(n):
            j = i - 1 if i > 0 else n - 1
            x1, y1, x2, y2 = xs[j], ys[j], xs[i], ys[i]
            if y1 > y2:
                x1, y1, x2, y2 = x2, y2, x1, y1
            if y1 == y2:
                if y1 == y:
                    left, right = min(left, x1, x2), max(right, x1, x2)
                continue
            if (y1 <= y < y2) or (y == hi and y2 == hi):
                top = (y - y1) * (x2 - x1)
                x = top // (y2 - y1) if top >= 0 else -(-top // (y2 - y1))
                left, right = min(left, x + x1), max(right, x + x1)
        for x in range(max(left, 0), min(right, _W - 1) + 1):
            pixels[y, x] = value


@njit(**_JIT)
def _place(shape, n, x, y, turn, c, s, zoom, tx, ty, xs, ys):
    """Corners of a body's shape in pixels of the buffer. Bodies are in single precision, as in Box2D."""
    qc, qs = np.float32(math.cos(turn)), np.float32(math.sin(turn))
    for i in range(n):
        vx, vy = shape[i, 0], shape[i, 1]
        wx = float(np.float32(qc * vx - qs * vy) + np.float32(x))
        wy = float(np.float32(qs * vx + qc * vy) + np.float32(y))
        xs[i] = int((wx * c - wy * s) * zoom + tx) - _LEFT
        ys[i] = int((wx * s + wy * c) * zoom + ty) - _BOTTOM


@njit(**_JIT)
def draw(acc, state, c, s, zoom, tx, ty):
    """Add coverage and coverage times colour to acc (H, W + 2, 4); returns the cells touched: x_lo, x_hi, y_lo, y_hi."""
    pixels = np.zeros((_H, _W), np.uint8)
    xs, ys = np.zeros(8, np.int64), np.zeros(8, np.int64)
    wheel = np.empty((4, 2), np.float32)
    for k in range(4):
        w = WHEELS + 4 * k
        x, y, turn, phase = state[w], state[w + 1], state[w + 2], state[w + 3]
        wheel[0, 0], wheel[1, 0], wheel[2, 0], wheel[3, 0] = -_WHEEL_W, _WHEEL_W, _WHEEL_W, -_WHEEL_W
        wheel[0, 1], wheel[1, 1], wheel[2, 1], wheel[3, 1] = _WHEEL_R, _WHEEL_R, -_WHEEL_R, -_WHEEL_R
        _place(wheel, 4, x, y, turn, c, s, zoom, tx, ty, xs, ys)
        _fill(pixels, xs, ys, 4, 1)
        s1, s2 = math.sin(phase), math.sin(phase + 1.2)
        c1, c2 = math.cos(phase), math.cos(phase + 1.2)
        if s1 > 0 and s2 > 0:
            continue
        if s1 > 0:
            c1 = np.sign(c1)
        if s2 > 0:
            c2 = np.sign(c2)
        wheel[0, 1], wheel[1, 1], wheel[2, 1], wheel[3, 1] = _WHEEL_R * c1, _WHEEL_R * c1, _WHEEL_R * c2, _WHEEL_R * c2
        _place(wheel, 4, x, y, turn, c, s, zoom, tx, ty, xs, ys)
        _fill(pixels, xs, ys, 4, 2)
    for k in range(4):
        n = _CORNERS[k]
        _place(_HULL[k], n, state[HULL], state[HULL + 1], state[HULL + 2], c, s, zoom, tx, ty, xs, ys)
        _fill(pixels, xs, ys, n, 3)
    x_hi, y_lo, y_hi = 0, 96, 0
    x_lo = 96
    for y in range(_H):
        top = (799 - (y + _BOTTOM)) * 0.12
        row = int(top)
        below = max(top + 0.12 - (row + 1), 0.0)
        for x in range(_W):
            value = pixels[y, x]
            if value == 0:
                continue
            left = (x + _LEFT) * 0.096
            col = int(left)
            after = max(left + 0.096 - (col + 1), 0.0)
            x_lo, x_hi, y_lo, y_hi = min(x_lo, col), max(x_hi, col + 2), min(y_lo, row), max(y_hi, row + 2)
            for dy in range(2):
                if row + dy >= acc.shape[0]:
                    continue
                for dx in range(2):
                    weight = (below if dy else 0.12 - below) * (after if dx else 0.096 - after)
                    if weight > 0.0:
                        acc[row + dy, col + dx, 0] += weight
                        acc[row + dy, col + dx, 1] += weight * _COLORS[value, 0]
                        acc[row + dy, col + dx, 2] += weight * _COLORS[value, 1]
                        acc[row + dy, col + dx, 3] += weight * _COLORS[value, 2]
    return x_lo, x_hi, y_lo, y_hi
