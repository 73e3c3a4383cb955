"""The indicator panel: score, speed, four wheels, steering and gyroscope, in the bottom 12 rows of the 96x96 frame."""

import numpy as np

from reverie.compiled import compiled
from reverie.envs.car_racing.scene import GYRO, OMEGA, SPEED, STEER

# pygame shrinks in two passes that round down; each loses a level even where the colour is flat: 102 comes out as 100.
LOSS = np.float32(1.02)
_TOP = 700  # the panel's first window row


@compiled()
def _bar(cells, x0, y0, x1, y1, r, g, b):
    """Blend a rectangle given by its first and last window pixels; nothing if it is empty."""
    if x1 < x0 or y1 < y0:
        return
    left, right = max(x0, 0) * 0.096, min(x1 + 1, 1000) * 0.096
    top, bottom = (max(y0, _TOP) - _TOP) * 0.12, (min(y1 + 1, 800) - _TOP) * 0.12
    for i in range(int(top), min(int(np.ceil(bottom)), 12)):
        high = min(bottom, i + 1.0) - max(top, float(i))
        for j in range(int(left), min(int(np.ceil(right)), 96)):
            a = high * (min(right, j + 1.0) - max(left, float(j)))
            # bars lie side by side; where one is drawn over another, that one keeps what is left of the cell
            covered = cells[i, j, 3]
            keep = (1.0 - a) / covered if a + covered > 1.0 else 1.0
            cells[i, j, 0] = cells[i, j, 0] * keep + a * r
            cells[i, j, 1] = cells[i, j, 1] * keep + a * g
            cells[i, j, 2] = cells[i, j, 2] * keep + a * b
            cells[i, j, 3] = min(covered + a, 1.0)


@compiled()
def _rows(value, scale):
    """First and last window row of a vertical bar."""
    y = int(800 - (20 + 20 * (scale * value)))
    return min(y, 780), max(y, 780)


@compiled()
def _wheel_bars(cells, state):
    """Four bars of 26 pixels, 25 apart: each hides a column of the one before it, as far as it reaches."""
    for k in range(4):
        omega = state[OMEGA + k]
        if abs(omega) <= 1e-4:
            continue
        x, red = 175 + 25 * k, (0.0 if k < 2 else 51.0)
        lo, hi = _rows(omega, 0.01)
        _bar(cells, x, lo, x + 24, hi, red, 0.0, 255.0)
        if k < 3 and abs(state[OMEGA + k + 1]) > 1e-4:
            next_lo, next_hi = _rows(state[OMEGA + k + 1], 0.01)
            _bar(cells, x + 25, lo, x + 25, next_lo - 1, red, 0.0, 255.0)
            _bar(cells, x + 25, next_hi + 1, x + 25, hi, red, 0.0, 255.0)
        else:
            _bar(cells, x + 25, lo, x + 25, hi, red, 0.0, 255.0)


@compiled()
def draw(out, state, score):
    """Draw the panel into out (12, 96, 3) uint8; score (12, 12) is the picture of its score."""
    cells = np.zeros((12, 96, 4), np.float32)  # red, green, blue, covered share
    if abs(state[SPEED]) > 1e-4:
        lo, hi = _rows(state[SPEED], 0.02)
        _bar(cells, 125, lo, 150, hi, 255.0, 255.0, 255.0)
    _wheel_bars(cells, state)
    if abs(state[STEER]) > 1e-4:
        x = int((20 - 10.0 * state[STEER]) * 25)
        _bar(cells, min(x, 500), 720, max(x, 500), 760, 0.0, 255.0, 0.0)
    if abs(state[GYRO]) > 1e-4:
        x = int((30 - 0.8 * state[GYRO]) * 25)
        _bar(cells, min(x, 750), 720, max(x, 750), 760, 255.0, 0.0, 0.0)
    for y in range(12):
        for x in range(96):
            for ch in range(3):
                out[y, x, ch] = np.uint8(max(cells[y, x, ch] - LOSS, np.float32(0.0)))
    for y in range(score.shape[0]):
        for x in range(score.shape[1]):
            for ch in range(3):
                out[y, x, ch] = max(out[y, x, ch], score[y, x])
