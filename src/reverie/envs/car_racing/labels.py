"""What is true of a CarRacing scene (`envs/truth.py`), read off the simulator."""

import math
from collections.abc import Sequence

import numpy as np
from gymnasium.envs.box2d.car_racing import TRACK_DETAIL_STEP

from reverie.compiled import compiled
from reverie.envs.car_racing.camera import camera
from reverie.envs.car_racing.env import FastCarRacing
from reverie.envs.car_racing.road import KERB_RATIO
from reverie.envs.car_racing.scene import HULL, SPEED
from reverie.envs.truth import Labels

TILES_AHEAD = 10
"""How far ahead `curvature` looks."""
VISIBLE = (0.0, 100.0, 1000.0, 800.0)
"""Left, bottom, right and top in pixels of Gymnasium's window: the picture without the panel."""


def read_labels(envs: Sequence[FastCarRacing]) -> Labels:
    """The labels of n environments as they are now; their scenes must be up to date (after reset, step, read_scene)."""
    geometry = np.empty((len(envs), 4))
    for row, env in enumerate(envs):
        edges, _, kerbs, _, state = env.scene
        geometry[row] = _geometry(edges, kerbs, state)
    return Labels(
        offset=geometry[:, 0],
        heading=geometry[:, 1],
        curvature=geometry[:, 2],
        grass=np.array([env.wheels_on_grass for env in envs], np.int64),
        speed=np.array([env.scene[4][SPEED] for env in envs], np.float64),
        kerb=geometry[:, 3] > 0,
    )


@compiled()
def _wrap(angle):
    """Into (-pi, pi]."""
    return math.pi - (math.pi - angle) % (2 * math.pi)


@compiled()
def _direction(edge):
    """Angle of the road at a track point, as Gymnasium's beta: 0 is up."""
    return math.atan2(edge[3] - edge[1], edge[2] - edge[0])


@compiled()
def _geometry(edges, kerbs, state):
    """(offset, heading, curvature, kerb in view as 0 or 1) of one scene."""
    n = len(edges)
    x, y = state[HULL], state[HULL + 1]
    nearest, least = 0, math.inf
    for i in range(n):
        dx, dy = x - (edges[i, 0] + edges[i, 2]) / 2, y - (edges[i, 1] + edges[i, 3]) / 2
        if dx * dx + dy * dy < least:
            nearest, least = i, dx * dx + dy * dy
    edge = edges[nearest]
    beta = _direction(edge)
    offset = (x - (edge[0] + edge[2]) / 2) * math.cos(beta) + (y - (edge[1] + edge[3]) / 2) * math.sin(beta)
    turn = 0.0
    for k in range(TILES_AHEAD):
        turn += _wrap(_direction(edges[(nearest + k + 1) % n]) - _direction(edges[(nearest + k) % n]))
    kerb = _kerb_in_view(edges, kerbs, camera(state))
    return offset, _wrap(state[HULL + 2] - beta), turn / (TILES_AHEAD * TRACK_DETAIL_STEP), (1.0 if kerb else 0.0)


@compiled()
def _kerb_in_view(edges, kerbs, view):
    """Whether a corner of any kerb is in the picture."""
    for i in range(len(edges)):
        if kerbs[i] == 0:
            continue
        a, r = (2, KERB_RATIO) if kerbs[i] > 0 else (0, -KERB_RATIO)
        for j in (i, i - 1):  # a tile lies between its own track point and the one before it
            dx, dy = edges[j, 2] - edges[j, 0], edges[j, 3] - edges[j, 1]
            if _visible(edges[j, a], edges[j, a + 1], view):
                return True
            if _visible(edges[j, a] + r * dx, edges[j, a + 1] + r * dy, view):
                return True
    return False


@compiled()
def _visible(x, y, view):
    """Whether a point is in the picture."""
    c, s, zoom, tx, ty, _, _ = view
    px, py = (x * c - y * s) * zoom + tx, (x * s + y * c) * zoom + ty
    return VISIBLE[0] <= px < VISIBLE[2] and VISIBLE[1] <= py < VISIBLE[3]
