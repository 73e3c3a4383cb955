"""CarRacing's picture as a pure function of its scene: arrays in, uint8 frames out.

Gymnasium draws into a window of 1000x800 pixels and shrinks it to 96x96 by area average. Here the share of each of the
96x96 cells that a polygon covers is computed exactly, as font rasterisers do (see `cover`), so nothing is drawn in the
large. Overlaps: tiles of a road meet edge to edge, so their shares add up; where they add up to more than 1 (a track
that crosses itself) the colours are averaged. The car is drawn over the rest (see `car`).

Shapes: T tiles, S state (see `scene`), H x W = 84 x 96 cells of the picture without the panel. Colours 0..255.
"""

import numpy as np

from reverie.compiled import compiled
from reverie.envs.car_racing import car, panel
from reverie.envs.car_racing.camera import camera
from reverie.envs.car_racing.cover import H, W
from reverie.envs.car_racing.ground import add_ground
from reverie.envs.car_racing.panel import LOSS
from reverie.envs.car_racing.road import add_road


@compiled()
def _workspace(num_tiles):
    """Scratch of a call: ground (H + 1, 2, W), road (H + 1, 4, W), lines (T, 8), picture and its levels (H, 3, W)."""
    return (
        np.empty((H + 1, 2, W), np.float32),
        np.empty((H + 1, 4, W), np.float32),
        np.empty((num_tiles, 8)),
        np.empty((H, 3, W), np.float32),
        np.empty((H, 3, W), np.float32),
    )


@compiled()
def _draw(edges, colors, kerbs, palette, state, work):
    """Draw the picture without panel into the workspace's picture, in float."""
    ground, road, lines, picture, _ = work
    view = camera(state)
    ground[:] = np.float32(0.0)
    road[:] = np.float32(0.0)
    add_ground(ground, view)
    add_road(road, edges, colors, kerbs, view, lines)
    _compose(ground, road, palette, picture)
    car.draw(picture, state, view)


@compiled()
def _compose(ground, road, palette, picture):
    """Sum the signed areas down the columns and mix the colours: road over grass over field."""
    one = np.float32(1.0)
    lower = np.zeros(2 * W, np.float32)  # running sums of ground and road
    upper = np.zeros(4 * W, np.float32)
    under, scale = np.empty(W, np.float32), np.empty(W, np.float32)
    for y in range(H):
        # rows as flat arrays: the compiler then vectorises the loops
        ground_row, road_row, row = ground[y].reshape(2 * W), road[y].reshape(4 * W), picture[y].reshape(3 * W)
        for i in range(2 * W):
            lower[i] += ground_row[i]
        for i in range(4 * W):
            upper[i] += road_row[i]
        for x in range(W):
            a = upper[x]
            k = one / (a if a > one else one)
            scale[x] = k
            under[x] = one - a * k
        for c in range(3):
            field = np.float32(int(palette[0, c]))
            grass = np.float32(int(palette[1, c])) - field
            for x in range(W):
                below = lower[x] * field + lower[W + x] * grass
                row[c * W + x] = under[x] * below + scale[x] * upper[(c + 1) * W + x]


@compiled()
def _round(picture, whole):
    """The whole levels (H, 3, W) that pygame arrives at."""
    zero = np.float32(0.0)
    for y in range(H):
        for c in range(3):
            for x in range(W):
                v = picture[y, c, x] - LOSS
                whole[y, c, x] = np.int32(v if v > zero else zero)


@compiled()
def _shrink(whole, out):
    """whole (H, 3, W) -> out (64, 64, 3) by exact area average, rounded to nearest."""
    mixed = np.empty(3 * W, np.int32)
    row = mixed.reshape(3, W)
    for y in range(64):
        # 21 rows become 16: a row of the result takes 21 sixteenths, n0 of them from `first`.
        first, n0 = 21 * y // 16, 16 - 21 * y % 16
        n1 = min(16, 21 - n0)
        last = min(first + 2, H - 1)
        w0, w1, w2 = np.float32(n0), np.float32(n1), np.float32(21 - n0 - n1)
        a, b, d = whole[first].reshape(3 * W), whole[first + 1].reshape(3 * W), whole[last].reshape(3 * W)
        for i in range(3 * W):
            mixed[i] = np.int32(w0 * a[i] + w1 * b[i] + w2 * d[i])
        for k in range(32):  # three columns become two, in 63rds of a level
            for c in range(3):
                left, middle, right = row[c, 3 * k], row[c, 3 * k + 1], row[c, 3 * k + 2]
                out[y, 2 * k, c] = _over_63(2 * left + middle)
                out[y, 2 * k + 1, c] = _over_63(middle + 2 * right)


@compiled()
def _over_63(v):
    """v / 63 to nearest for v up to 63 * 255, by multiplication."""
    return (v + 31) * 66577 >> 22


@compiled(kept=True)
def render_96(edges, colors, kerbs, palette, state, score):
    """The whole observation (96, 96, 3) uint8 of one scene; score (12, 12) is the picture of its score."""
    work = _workspace(len(edges))
    _draw(edges, colors, kerbs, palette, state, work)
    whole = work[4]
    _round(work[3], whole)
    out = np.empty((96, 96, 3), np.uint8)
    for y in range(H):
        for x in range(W):
            for c in range(3):
                out[y, x, c] = whole[y, c, x]
    panel.draw(out[H:], state, score)
    return out


@compiled(kept=True)
def render_64(rows, edges, colors, kerbs, num_tiles, palettes, states, out):
    """The pictures of the scenes `rows` without panel, shrunk: out (n, 64, 64, 3) uint8."""
    work = _workspace(edges.shape[1])
    for k in range(len(rows)):
        e = rows[k]
        n = num_tiles[e]
        _draw(edges[e, :n], colors[e, :n], kerbs[e, :n], palettes[e], states[e], work)
        _round(work[3], work[4])
        _shrink(work[4], out[k])
