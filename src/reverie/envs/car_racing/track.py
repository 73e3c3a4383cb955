"""Gymnasium's track generator, compiled: the same operations in the same order, so the same numbers to the last bit.

Shapes: c = CHECKPOINTS, n points of a track, each (alpha, beta, x, y) as in Gymnasium.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from gymnasium.envs.box2d.car_racing import (
    BORDER,
    BORDER_MIN_COUNT,
    SCALE,
    TRACK_DETAIL_STEP,
    TRACK_RAD,
    TRACK_TURN_RATE,
    TRACK_WIDTH,
)
from numpy.typing import NDArray

from reverie.compiled import compiled

CHECKPOINTS = 12
DRAW_LOW = np.tile([0.0, TRACK_RAD / 3], CHECKPOINTS)
DRAW_HIGH = np.tile([2 * math.pi * 1 / CHECKPOINTS, TRACK_RAD], CHECKPOINTS)
"""Bounds of the uniform numbers (2 c) that make a track: for each checkpoint its angle's noise and its radius."""
START_ALPHA = 2 * math.pi * (-0.5) / CHECKPOINTS
_MAX_POINTS = 2500


class Track(NamedTuple):
    """A closed lap; the tile of a point lies between it and the point before."""

    points: NDArray[np.float64]
    """(n, 4) alpha, beta, x, y; n = 0 where Gymnasium would draw again."""
    kerb: NDArray[np.bool_]
    """(n,) whether the tile has a kerb."""


def make_track(drawn: NDArray[np.float64]) -> Track:
    """The track that these uniform numbers (2 c) make."""
    return Track(*_make_track(drawn))


@compiled(kept=True)
def _make_track(drawn):
    points = _drive_through(_checkpoints(drawn))
    first, last = _closed_loop(points)
    if first < 0:
        return points[:0], np.zeros(0, np.bool_)
    track = points[first : last - 1]
    beta = track[0, 1]
    x = math.cos(beta) * (track[0, 2] - track[-1, 2])
    y = math.sin(beta) * (track[0, 3] - track[-1, 3])
    if math.sqrt(x * x + y * y) > TRACK_DETAIL_STEP:
        return points[:0], np.zeros(0, np.bool_)
    return track, _borders(track)


@compiled(kept=True)
def _checkpoints(drawn):
    """(c, 3) alpha, x, y."""
    found = np.empty((CHECKPOINTS, 3))
    for c in range(CHECKPOINTS):
        alpha = 2 * math.pi * c / CHECKPOINTS + drawn[2 * c]
        rad = drawn[2 * c + 1]
        if c == 0:
            alpha = 0.0
            rad = 1.5 * TRACK_RAD
        if c == CHECKPOINTS - 1:
            alpha = 2 * math.pi * c / CHECKPOINTS
            rad = 1.5 * TRACK_RAD
        found[c] = alpha, rad * math.cos(alpha), rad * math.sin(alpha)
    return found


@compiled(kept=True)
def _drive_through(checkpoints):
    """Steers from checkpoint to checkpoint for five laps: points (m, 4)."""
    points = np.empty((_MAX_POINTS, 4))
    x, y, beta = 1.5 * TRACK_RAD, 0.0, 0.0
    dest, laps, num = 0, 0, 0
    visited_other_side = False
    while num < _MAX_POINTS:
        alpha = math.atan2(y, x)
        if visited_other_side and alpha > 0:
            laps += 1
            visited_other_side = False
        if alpha < 0:
            visited_other_side = True
            alpha += 2 * math.pi
        while True:  # the next checkpoint in front
            failed = True
            while True:
                if alpha <= checkpoints[dest % CHECKPOINTS, 0]:
                    failed = False
                    break
                dest += 1
                if dest % CHECKPOINTS == 0:
                    break
            if not failed:
                break
            alpha -= 2 * math.pi
        r1x, r1y = math.cos(beta), math.sin(beta)
        dest_dx, dest_dy = checkpoints[dest % CHECKPOINTS, 1] - x, checkpoints[dest % CHECKPOINTS, 2] - y
        proj = r1x * dest_dx + r1y * dest_dy
        while beta - alpha > 1.5 * math.pi:
            beta -= 2 * math.pi
        while beta - alpha < -1.5 * math.pi:
            beta += 2 * math.pi
        prev_beta = beta
        proj *= SCALE
        if proj > 0.3:
            beta -= min(TRACK_TURN_RATE, abs(0.001 * proj))
        if proj < -0.3:
            beta += min(TRACK_TURN_RATE, abs(0.001 * proj))
        x += -r1y * TRACK_DETAIL_STEP
        y += r1x * TRACK_DETAIL_STEP
        points[num] = alpha, prev_beta * 0.5 + beta * 0.5, x, y
        num += 1
        if laps > 4:
            break
    return points[:num]


@compiled(kept=True)
def _closed_loop(points):
    """Where the last full lap begins and ends; -1 where there is none."""
    last = -1
    for i in range(len(points) - 1, 0, -1):
        if points[i, 0] > START_ALPHA and points[i - 1, 0] <= START_ALPHA:
            if last == -1:
                last = i
            else:
                return i, last
    return -1, -1


@compiled(kept=True)
def _borders(track):
    """Which points have a kerb: hard turns, and a few points before them."""
    n = len(track)
    hard = np.zeros(n, np.bool_)
    for i in range(n):
        good, side = True, 0
        for k in range(BORDER_MIN_COUNT):
            turn = track[i - k, 1] - track[i - k - 1, 1]
            good &= abs(turn) > TRACK_TURN_RATE * 0.2
            side += np.sign(turn)
        hard[i] = good and abs(side) == BORDER_MIN_COUNT
    kerb = hard.copy()
    for i in range(n):
        for k in range(BORDER_MIN_COUNT):
            kerb[i - k] |= kerb[i]
    return kerb


@compiled(kept=True)
def make_edges(track, kerb, edges, kerbs):
    """Fills edges (n, 4) with left x, y and right x, y of the road at each point, and kerbs (n,) with their sides."""
    for i in range(len(track)):
        c, s = TRACK_WIDTH * math.cos(track[i, 1]), TRACK_WIDTH * math.sin(track[i, 1])
        edges[i] = track[i, 2] - c, track[i, 3] - s, track[i, 2] + c, track[i, 3] + s
        kerbs[i] = np.sign(track[i - 1, 1] - track[i, 1]) if kerb[i] else 0


def polygons(track: Track, colors: NDArray[np.float64]) -> list[tuple[list[tuple[float, float]], Any]]:
    """What Gymnasium draws of a road: four corners and a colour, each kerb after its tile; colors (n, 3), as views."""
    points = track.points.tolist()

    def at(i: int, side: float) -> tuple[float, float]:
        _, beta, x, y = points[i]
        return x + side * math.cos(beta), y + side * math.sin(beta)

    def between(i: int, left: float, right: float) -> list[tuple[float, float]]:
        return [at(i, left), at(i, right), at(i - 1, right), at(i - 1, left)]

    found: list[tuple[list[tuple[float, float]], Any]] = []
    for i, kerb in enumerate(track.kerb):
        found.append((between(i, -TRACK_WIDTH, TRACK_WIDTH), colors[i]))
        if kerb:
            side = float(np.sign(points[i - 1][1] - points[i][1]))
            color = (255, 255, 255) if i % 2 == 0 else (255, 0, 0)
            found.append((between(i, side * TRACK_WIDTH, side * (TRACK_WIDTH + BORDER)), color))
    return found
