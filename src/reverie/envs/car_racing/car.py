"""The car, drawn pixel by pixel at window resolution by pygame's rule and averaged into the cells of the picture."""

import math

import numpy as np

from reverie.compiled import compiled
from reverie.envs.car_racing.camera import to_pixel
from reverie.envs.car_racing.cover import X_CELL, Y_CELL
from reverie.envs.car_racing.scene import HULL, WHEELS

_W, _H = 64, 96  # window pixels around the car's place at (500, 200)
_LEFT, _BOTTOM = 500 - _W // 2, 200 - _H // 2
_COLUMN, _ROW = 44, 66  # first cells of that part of the window
_COLUMNS, _ROWS = 9, 13

_SIZE = 0.02  # world units per unit of the car's drawing
# Box2D keeps a polygon's corners counter-clockwise from the lowest of the rightmost ones; pygame's spans depend on it.
_HULL = np.array(
    [
        [(60, 110), (60, 130), (-60, 130), (-60, 110), (0, 0), (0, 0), (0, 0), (0, 0)],
        [(20, 20), (15, 120), (-15, 120), (-20, 20), (0, 0), (0, 0), (0, 0), (0, 0)],
        [(50, -40), (50, -10), (25, 20), (-25, 20), (-50, -10), (-50, -40), (-20, -90), (20, -90)],
        [(50, -120), (50, -90), (-50, -90), (-50, -120), (0, 0), (0, 0), (0, 0), (0, 0)],
    ],
    np.float64,
)
_CORNERS = (4, 4, 8, 4)
_WHEEL_W, _WHEEL_R = 14 * _SIZE, 27 * _SIZE
_TREAD = 1.2  # rad of a wheel's turn that its white mark spans
_BLACK, _WHITE, _RED = 1, 2, 3


@compiled()
def _fill(pixels, spans, xs, ys, n, value):
    """pygame.draw.polygon of a convex polygon; returns its first and last row.

    Spans include both ends. Of a row's two crossings the one found first, in the order of the corners, is rounded down
    and the other up. spans (3, _H) is scratch: left, right, crossings found.
    """
    lo, hi = ys[0], ys[0]
    for i in range(1, n):
        lo, hi = min(lo, ys[i]), max(hi, ys[i])
    first, last = max(lo, 0), min(hi, _H - 1)
    for y in range(first, last + 1):
        spans[0, y], spans[1, y], spans[2, y] = _W, -1, 0
    for i in range(n):
        j = i - 1 if i > 0 else n - 1
        x1, y1, x2, y2 = xs[j], ys[j], xs[i], ys[i]
        if y1 > y2:
            x1, y1, x2, y2 = x2, y2, x1, y1
        height = y2 - y1
        if height == 0:
            if first <= y1 <= last and (lo < y1 < hi or lo == hi):
                spans[0, y1], spans[1, y1] = min(spans[0, y1], x1, x2), max(spans[1, y1], x1, x2)
            continue
        end = y2 if y2 == hi else y2 - 1
        start = max(y1, 0)
        whole, part = divmod((start - y1) * (x2 - x1), height)  # the crossing is at x1 + whole + part / height
        step, step_part = divmod(x2 - x1, height)
        for y in range(start, min(end, _H - 1) + 1):
            x = x1 + whole + (1 if part > 0 and spans[2, y] == 1 else 0)
            spans[0, y], spans[1, y] = min(spans[0, y], x), max(spans[1, y], x)
            spans[2, y] += 1
            whole, part = whole + step, part + step_part
            if part >= height:
                whole, part = whole + 1, part - height
    for y in range(first, last + 1):
        for x in range(max(spans[0, y], 0), min(spans[1, y], _W - 1) + 1):
            pixels[y, x] = value
    return lo, hi


@compiled()
def _place(x, y, body, k, view, xs, ys):
    """Corner k of a body's shape, in pixels of the buffer. body: x, y, cos, sin in single precision, as in Box2D."""
    px, py, c, s = body
    x, y = np.float32(x), np.float32(y)
    wx, wy = to_pixel(float(c * x - s * y + px), float(s * x + c * y + py), view)
    xs[k], ys[k] = int(wx) - _LEFT, int(wy) - _BOTTOM


@compiled()
def _body(state, at):
    turn = np.float32(state[at + 2])
    return np.float32(state[at]), np.float32(state[at + 1]), np.float32(math.cos(turn)), np.float32(math.sin(turn))


@compiled()
def _draw_wheel(pixels, spans, state, at, view, xs, ys):
    body = _body(state, at)
    _place(_WHEEL_W, -_WHEEL_R, body, 0, view, xs, ys)
    _place(_WHEEL_W, _WHEEL_R, body, 1, view, xs, ys)
    _place(-_WHEEL_W, _WHEEL_R, body, 2, view, xs, ys)
    _place(-_WHEEL_W, -_WHEEL_R, body, 3, view, xs, ys)
    lo, hi = _fill(pixels, spans, xs, ys, 4, _BLACK)
    phase = state[at + 3]
    s1, s2 = math.sin(phase), math.sin(phase + _TREAD)
    if s1 > 0.0 and s2 > 0.0:
        return lo, hi
    c1, c2 = math.cos(phase), math.cos(phase + _TREAD)
    if s1 > 0.0:
        c1 = np.sign(c1)
    if s2 > 0.0:
        c2 = np.sign(c2)
    _place(-_WHEEL_W, _WHEEL_R * c1, body, 0, view, xs, ys)
    _place(_WHEEL_W, _WHEEL_R * c1, body, 1, view, xs, ys)
    _place(_WHEEL_W, _WHEEL_R * c2, body, 2, view, xs, ys)
    _place(-_WHEEL_W, _WHEEL_R * c2, body, 3, view, xs, ys)
    _fill(pixels, spans, xs, ys, 4, _WHITE)
    return lo, hi


@compiled()
def _put(cells, row, column, area, red, gray):
    cells[row, column, 0] += area
    cells[row, column, 1] += area * red
    cells[row, column, 2] += area * gray


@compiled()
def _average(pixels, lo, hi, cells):
    """Sum runs of one colour into cells (rows, columns, 3): coverage, then coverage times red, times green or blue."""
    for y in range(max(lo, 0), min(hi, _H - 1) + 1):
        top = (799 - y - _BOTTOM) * Y_CELL - _ROW
        row = int(top)
        below = max(top + Y_CELL - (row + 1), 0.0)
        x = 0
        while x < _W:
            value = pixels[y, x]
            start = x
            x += 1
            while x < _W and pixels[y, x] == value:
                x += 1
            if value == 0:
                continue
            left, right = (start + _LEFT) * X_CELL - _COLUMN, (x + _LEFT) * X_CELL - _COLUMN
            red = 204.0 if value == _RED else (77.0 if value == _WHITE else 0.0)
            gray = 77.0 if value == _WHITE else 0.0
            column = int(left)
            while column < right:
                width = min(right, column + 1.0) - max(left, float(column))
                _put(cells, row, column, width * (Y_CELL - below), red, gray)
                if below > 0.0:
                    _put(cells, row + 1, column, width * below, red, gray)
                column += 1


@compiled()
def draw(picture, state, view):
    """Draw the car over picture (H, 3, W) float32."""
    pixels = np.zeros((_H, _W), np.uint8)
    spans = np.empty((3, _H), np.int64)
    xs, ys = np.empty(8, np.int64), np.empty(8, np.int64)
    lo, hi = _H, 0
    for k in range(4):
        bottom, top = _draw_wheel(pixels, spans, state, WHEELS + 4 * k, view, xs, ys)
        lo, hi = min(lo, bottom), max(hi, top)
    body = _body(state, HULL)
    for k in range(4):
        for i in range(_CORNERS[k]):
            _place(_HULL[k, i, 0] * _SIZE, _HULL[k, i, 1] * _SIZE, body, i, view, xs, ys)
        bottom, top = _fill(pixels, spans, xs, ys, _CORNERS[k], _RED)
        lo, hi = min(lo, bottom), max(hi, top)
    cells = np.zeros((_ROWS, _COLUMNS, 3))
    _average(pixels, lo, hi, cells)
    for row in range(_ROWS):
        for column in range(_COLUMNS):
            if cells[row, column, 0] > 0.0:
                rest = 1.0 - cells[row, column, 0]
                y, x = row + _ROW, column + _COLUMN
                picture[y, 0, x] = picture[y, 0, x] * rest + cells[row, column, 1]
                picture[y, 1, x] = picture[y, 1, x] * rest + cells[row, column, 2]
                picture[y, 2, x] = picture[y, 2, x] * rest + cells[row, column, 2]
