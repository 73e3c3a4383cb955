"""CarRacing's picture as a pure function of its scene: arrays in, uint8 frames out.

Gymnasium draws into a window of 1000x800 pixels and shrinks it to 96x96 by area average. Here the area that each polygon
covers in each of the 96x96 cells is computed exactly, as font rasterisers do: an edge leaves its signed area in the cells
that it crosses, and a running sum along the row gives the coverage. SDL's rules for polygons are kept: corners truncated to
whole pixels, and a border that is about half a pixel fat, as edges are drawn too.

Window coordinates have y upwards (Gymnasium flips its picture last); cell coordinates have y downwards.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from reverie.envs.car_racing import car, panel
from reverie.envs.car_racing.panel import LOSS
from reverie.envs.car_racing.scene import HULL, TIME

W, H = 96, 84  # cells of the picture without the indicator panel
X_CELL, Y_CELL = 96 / 1000, 96 / 800  # cells per window pixel
FIELD = 2000 / 6.0
GRASS = FIELD / 20
KERB_RATIO = 8.0 / 40.0  # kerb's width over half the road's
_JIT = {"cache": True, "nogil": True}


@njit(**_JIT)
def _add_edge(acc, x0, y0, x1, y1, w0, w1, w2, w3):
    """Leave the signed area right of the edge (cell coordinates), times four weights, in acc (H, W + 2, 4)."""
    if y0 == y1:
        return
    sign = 1.0
    if y0 > y1:
        x0, y0, x1, y1 = x1, y1, x0, y0
        sign = -1.0
    if y1 <= 0.0 or y0 >= H or (x0 >= W and x1 >= W):
        return
    slope = (x1 - x0) / (y1 - y0)
    if y0 < 0.0:
        x0 -= y0 * slope
        y0 = 0.0
    y1 = min(y1, float(H))
    row = int(y0)
    x = x0
    y = y0
    while y < y1:
        below = min(row + 1.0, y1)
        dy = below - y
        after = x + slope * dy
        d = dy * sign
        lo, hi = (x, after) if x < after else (after, x)
        if hi <= 0.0:
            acc[row, 0, 0] += d * w0
            acc[row, 0, 1] += d * w1
            acc[row, 0, 2] += d * w2
            acc[row, 0, 3] += d * w3
        elif lo < W:
            per = d / (hi - lo) if hi > lo else 0.0
            if lo < 0.0:
                part = per * -lo
                acc[row, 0, 0] += part * w0
                acc[row, 0, 1] += part * w1
                acc[row, 0, 2] += part * w2
                acc[row, 0, 3] += part * w3
                d -= part
                lo = 0.0
            if hi > W:
                d -= per * (hi - W)
                hi = float(W)
            i = int(lo)
            while True:
                end = min(i + 1.0, hi)
                part = per * (end - lo) if per != 0.0 else d
                right = part * (0.5 * (lo + end) - i)
                left = part - right
                acc[row, i, 0] += left * w0
                acc[row, i, 1] += left * w1
                acc[row, i, 2] += left * w2
                acc[row, i, 3] += left * w3
                acc[row, i + 1, 0] += right * w0
                acc[row, i + 1, 1] += right * w1
                acc[row, i + 1, 2] += right * w2
                acc[row, i + 1, 3] += right * w3
                if end >= hi:
                    break
                lo = end
                i += 1
        x = after
        y = below
        row += 1


@njit(**_JIT)
def _add_quad(acc, ax, ay, bx, by, cx, cy, dx, dy, w0, w1, w2, w3):
    """Add a quadrilateral given in window pixels."""
    ax, bx, cx, dx = ax * X_CELL, bx * X_CELL, cx * X_CELL, dx * X_CELL
    ay, by, cy, dy = (800 - ay) * Y_CELL, (800 - by) * Y_CELL, (800 - cy) * Y_CELL, (800 - dy) * Y_CELL
    if max(ax, bx, cx, dx) <= 0.0 or min(ax, bx, cx, dx) >= W or max(ay, by, cy, dy) <= 0.0 or min(ay, by, cy, dy) >= H:
        return
    # An edge going down counts +1 for what lies right of it: positive when the left side is walked downwards.
    area = (cx - ax) * (dy - by) - (cy - ay) * (dx - bx)
    s = -1.0 if area > 0.0 else 1.0
    w0, w1, w2, w3 = s * w0, s * w1, s * w2, s * w3
    _add_edge(acc, ax, ay, bx, by, w0, w1, w2, w3)
    _add_edge(acc, bx, by, cx, cy, w0, w1, w2, w3)
    _add_edge(acc, cx, cy, dx, dy, w0, w1, w2, w3)
    _add_edge(acc, dx, dy, ax, ay, w0, w1, w2, w3)


@njit(**_JIT)
def _fat(nx, ny):
    """How far an edge with unit normal (nx, ny) reaches beyond the polygon, in pixels, with SDL's antialiased border."""
    nx, ny = abs(nx), abs(ny)
    return 0.625 * nx if nx > ny else 0.5 * ny


@njit(**_JIT)
def _add_ground(acc, c, s, zoom, tx, ty, px, py):
    """The field in weight 0 and its grass patches in weight 1."""
    f = FIELD
    out = 0.5
    x0, y0 = (f * c - f * s) * zoom + tx, (f * s + f * c) * zoom + ty
    x1, y1 = (f * c + f * s) * zoom + tx, (f * s - f * c) * zoom + ty
    x2, y2 = (-f * c + f * s) * zoom + tx, (-f * s - f * c) * zoom + ty
    x3, y3 = (-f * c - f * s) * zoom + tx, (-f * s + f * c) * zoom + ty
    _add_quad(acc, int(x0) + out, int(y0) + out, int(x1) + out, int(y1) + out,
              int(x2) + out, int(y2) + out, int(x3) + out, int(y3) + out, 1.0, 0.0, 0.0, 0.0)  # fmt: skip
    reach = 800.0 / zoom + 1.5 * GRASS
    ex, ey = c, s  # window directions of the field's axes
    e = _fat(ex, ey)
    n = _fat(-ey, ex)
    ax, ay = e * ex - n * ey, e * ey + n * ex
    bx, by = e * ex + n * ey, e * ey - n * ex
    for i in range(-20, 20, 2):
        gx = GRASS * i
        if abs(gx + 0.5 * GRASS - px) > reach:
            continue
        for j in range(-20, 20, 2):
            gy = GRASS * j
            if abs(gy + 0.5 * GRASS - py) > reach:
                continue
            hx, hy = gx + GRASS, gy + GRASS
            _add_quad(
                acc,
                int((hx * c - hy * s) * zoom + tx) + 0.5 + ax, int((hx * s + hy * c) * zoom + ty) + 0.5 + ay,
                int((hx * c - gy * s) * zoom + tx) + 0.5 + bx, int((hx * s + gy * c) * zoom + ty) + 0.5 + by,
                int((gx * c - gy * s) * zoom + tx) + 0.5 - ax, int((gx * s + gy * c) * zoom + ty) + 0.5 - ay,
                int((gx * c - hy * s) * zoom + tx) + 0.5 - bx, int((gx * s + hy * c) * zoom + ty) + 0.5 - by,
                0.0, 1.0, 0.0, 0.0,
            )  # fmt: skip


@njit(**_JIT)
def _add_road(acc, edges, colors, kerbs, c, s, zoom, tx, ty, lines):
    """The road and its kerbs: weight 0 is coverage, 1 to 3 coverage times colour. lines (T, 8) is scratch."""
    n = len(edges)
    for i in range(n):
        lx = float(int((edges[i, 0] * c - edges[i, 1] * s) * zoom + tx)) + 0.5
        ly = float(int((edges[i, 0] * s + edges[i, 1] * c) * zoom + ty)) + 0.5
        rx = float(int((edges[i, 2] * c - edges[i, 3] * s) * zoom + tx)) + 0.5
        ry = float(int((edges[i, 2] * s + edges[i, 3] * c) * zoom + ty)) + 0.5
        vx, vy = edges[i, 2] - edges[i, 0], edges[i, 3] - edges[i, 1]
        ux, uy = vx * c - vy * s, vx * s + vy * c
        inv = 1.0 / math.sqrt(ux * ux + uy * uy)
        ux, uy = ux * inv, uy * inv
        lines[i, 0], lines[i, 1], lines[i, 2], lines[i, 3] = lx, ly, rx, ry
        side = _fat(ux, uy)
        lines[i, 4], lines[i, 5] = ux * side, uy * side
        # Each tile is drawn over the one before it, so the joint lies a little behind the line; the last tile ends the lap.
        along = -_fat(-uy, ux) if i < n - 1 else _fat(-uy, ux)
        lines[i, 6], lines[i, 7] = -uy * along, ux * along
    for i in range(n):
        j = i - 1 if i > 0 else n - 1
        lo = min(lines[i, 0], lines[i, 2], lines[j, 0], lines[j, 2])
        hi = max(lines[i, 0], lines[i, 2], lines[j, 0], lines[j, 2])
        if lo > 1200.0 or hi < -200.0:
            continue
        lo = min(lines[i, 1], lines[i, 3], lines[j, 1], lines[j, 3])
        hi = max(lines[i, 1], lines[i, 3], lines[j, 1], lines[j, 3])
        if lo > 1000.0 or hi < -100.0:
            continue
        kerb = kerbs[i]
        left, right = (-1.0 if kerb < 0 else 1.0), (-1.0 if kerb > 0 else 1.0)
        ox, oy, pi, qi = lines[i, 4], lines[i, 5], lines[i, 6], lines[i, 7]
        mx, my, pj, qj = lines[j, 4], lines[j, 5], lines[j, 6], lines[j, 7]
        _add_quad(
            acc,
            lines[i, 0] - left * ox + pi, lines[i, 1] - left * oy + qi,
            lines[i, 2] + right * ox + pi, lines[i, 3] + right * oy + qi,
            lines[j, 2] + right * mx + pj, lines[j, 3] + right * my + qj,
            lines[j, 0] - left * mx + pj, lines[j, 1] - left * my + qj,
            1.0, float(int(colors[i, 0])), float(int(colors[i, 1])), float(int(colors[i, 2])),
        )  # fmt: skip
        if kerb != 0:
            a = 2 if kerb > 0 else 0
            after = i + 1 if i < n - 1 else 0
            if kerbs[after] != kerb and i < n - 1:
                pi, qi = -pi, -qi
            if i == 0 and kerbs[n - 1] != kerb:
                pj, qj = -pj, -qj
            k = float(kerb)
            # outer corner: beyond the road's edge by KERB_RATIO of half its width
            wx = edges[i, a] + k * 0.5 * KERB_RATIO * (edges[i, 2] - edges[i, 0])
            wy = edges[i, a + 1] + k * 0.5 * KERB_RATIO * (edges[i, 3] - edges[i, 1])
            vx = edges[j, a] + k * 0.5 * KERB_RATIO * (edges[j, 2] - edges[j, 0])
            vy = edges[j, a + 1] + k * 0.5 * KERB_RATIO * (edges[j, 3] - edges[j, 1])
            other = 255.0 if i % 2 == 0 else 0.0
            _add_quad(
                acc,
                lines[i, a] - k * ox + pi, lines[i, a + 1] - k * oy + qi,
                int((wx * c - wy * s) * zoom + tx) + 0.5 + k * ox + pi,
                int((wx * s + wy * c) * zoom + ty) + 0.5 + k * oy + qi,
                int((vx * c - vy * s) * zoom + tx) + 0.5 + k * mx + pj,
                int((vx * s + vy * c) * zoom + ty) + 0.5 + k * my + qj,
                lines[j, a] - k * mx + pj, lines[j, a + 1] - k * my + qj,
                1.0, 255.0, other, other,
            )  # fmt: skip


@njit(**_JIT)
def _draw(edges, colors, kerbs, ground, state, work, out):
    """Draw the picture without panel into out (84, 96, 3) uint8."""
    base, road, vehicle, lines = work
    px, py, angle = state[HULL], state[HULL + 1], -state[HULL + 2]
    t = state[TIME]
    zoom = 0.1 * 6.0 * max(1 - t, 0.0) + 2.7 * 6.0 * min(t, 1.0)
    c, s = math.cos(angle), math.sin(angle)
    sx, sy = -px * zoom, -py * zoom
    tx, ty = 500.0 + (sx * c - sy * s), 200.0 + (sx * s + sy * c)
    base[:] = 0.0
    road[:] = 0.0
    vehicle[:] = 0.0
    _add_ground(base, c, s, zoom, tx, ty, px, py)
    _add_road(road, edges, colors, kerbs, c, s, zoom, tx, ty, lines)
    x_lo, x_hi, y_lo, y_hi = car.draw(vehicle, state, c, s, zoom, tx, ty)
    f0, f1, f2 = float(int(ground[0, 0])), float(int(ground[0, 1])), float(int(ground[0, 2]))
    g0, g1, g2 = float(int(ground[1, 0])) - f0, float(int(ground[1, 1])) - f1, float(int(ground[1, 2])) - f2
    for y in range(H):
        field, grass, a, r0, r1, r2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for x in range(W):
            field += base[y, x, 0]
            grass += base[y, x, 1]
            a += road[y, x, 0]
            r0 += road[y, x, 1]
            r1 += road[y, x, 2]
            r2 += road[y, x, 3]
            fl, gr = min(field, 1.0), min(grass, 1.0)
            scale = 1.0 / a if a > 1.0 else 1.0
            under = 1.0 - a * scale
            v0 = under * (fl * f0 + gr * g0) + scale * r0
            v1 = under * (fl * f1 + gr * g1) + scale * r1
            v2 = under * (fl * f2 + gr * g2) + scale * r2
            if x_lo <= x < x_hi and y_lo <= y < y_hi:
                left = 1.0 - vehicle[y, x, 0]
                v0 = v0 * left + vehicle[y, x, 1]
                v1 = v1 * left + vehicle[y, x, 2]
                v2 = v2 * left + vehicle[y, x, 3]
            out[y, x, 0] = np.uint8(max(v0 - LOSS, 0.0))
            out[y, x, 1] = np.uint8(max(v1 - LOSS, 0.0))
            out[y, x, 2] = np.uint8(max(v2 - LOSS, 0.0))


@njit(**_JIT)
def _work(num_tiles):
    return (
        np.empty((H, W + 2, 4), np.float32),
        np.empty((H, W + 2, 4), np.float32),
        np.empty((H, W + 2, 4), np.float32),
        np.empty((num_tiles, 8)),
    )


@njit(**_JIT)
def render_96(edges, colors, kerbs, ground, state, glyphs):
    """The whole observation with indicator panel: (96, 96, 3) uint8."""
    out = np.empty((96, 96, 3), np.uint8)
    _draw(edges, colors, kerbs, ground, state, _work(len(edges)), out[:H])
    panel.draw(out[H:], state, glyphs)
    return out


@njit(**_JIT)
def _shrink(frame, rows, out):
    """(84, 96, 3) -> (64, 64, 3) by exact area average; rows (84, 64, 3) is scratch, it holds sums of 3 thirds."""
    for y in range(H):
        for k in range(32):
            for ch in range(3):
                a, b, d = int(frame[y, 3 * k, ch]), int(frame[y, 3 * k + 1, ch]), int(frame[y, 3 * k + 2, ch])
                rows[y, 2 * k, ch] = 2 * a + b
                rows[y, 2 * k + 1, ch] = b + 2 * d
    for y in range(64):
        # 21 rows become 16: a row of the result takes 21 sixteenths, w0 of them from `first`.
        first, w0 = 21 * y // 16, 16 - 21 * y % 16
        w1 = min(16, 21 - w0)
        w2 = 21 - w0 - w1
        last = min(first + 2, H - 1)
        for x in range(64):
            for ch in range(3):
                v = w0 * rows[first, x, ch] + w1 * rows[first + 1, x, ch] + w2 * rows[last, x, ch]
                out[y, x, ch] = (v + 31) // 63


@njit(**_JIT)
def render_64(rows, edges, colors, kerbs, num_tiles, ground, states, out):
    """The pictures of `rows` without panel, shrunk: out (n, 64, 64, 3) uint8."""
    frame = np.empty((H, W, 3), np.uint8)
    narrow = np.empty((H, 64, 3), np.int32)
    work = _work(edges.shape[1])
    for k in range(len(rows)):
        e = rows[k]
        n = num_tiles[e]
        _draw(edges[e, :n], colors[e, :n], kerbs[e, :n], ground[e], states[e], work, frame)
        _shrink(frame, narrow, out[k])


Frame = NDArray[np.uint8]
