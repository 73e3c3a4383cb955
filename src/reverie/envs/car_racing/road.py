"""The road's tiles and kerbs.

Gymnasium draws tile after tile, each kerb after its tile. Drawn polygons are a little fat (see `camera.fat`), so a
later one hides a strip of the earlier one: the strip goes to the later one here, and polygons meet without overlap.
"""

import math

from reverie.compiled import compiled
from reverie.envs.car_racing.camera import fat, to_pixel
from reverie.envs.car_racing.cover import add_quad

KERB_RATIO = 0.5 * 8.0 / 40.0  # a kerb's width over the road's
_FAR = 1e9


@compiled()
def _place_lines(edges, view, lines):
    """lines (T, 8): left x y, right x y, fattening sideways x y (to the right), shift of the joint x y; in pixels."""
    c, s, zoom, _, _, px, py = view
    n = len(edges)
    reach = 810.0 / zoom + 20.0
    for i in range(n):
        if abs(edges[i, 0] - px) > reach or abs(edges[i, 1] - py) > reach:
            lines[i, 0] = _FAR
            continue
        lines[i, 0], lines[i, 1] = to_pixel(edges[i, 0], edges[i, 1], view)
        lines[i, 2], lines[i, 3] = to_pixel(edges[i, 2], edges[i, 3], view)
        dx, dy = edges[i, 2] - edges[i, 0], edges[i, 3] - edges[i, 1]
        ux, uy = dx * c - dy * s, dx * s + dy * c
        inverse = 1.0 / math.sqrt(ux * ux + uy * uy)
        ux, uy = ux * inverse, uy * inverse
        side = fat(ux, uy)
        lines[i, 4], lines[i, 5] = ux * side, uy * side
        # The joint lies behind the line, as the next tile is drawn later; only the last tile overlaps its successor.
        along = fat(uy, ux) if i == n - 1 else -fat(uy, ux)
        lines[i, 6], lines[i, 7] = -uy * along, ux * along


@compiled()
def _outer(edge, a, side, view):
    """Outer corner of a kerb at a track point, in pixels; a is the index of the road's corner next to it."""
    r = side * KERB_RATIO
    return to_pixel(edge[a] + r * (edge[2] - edge[0]), edge[a + 1] + r * (edge[3] - edge[1]), view)


@compiled()
def _add_kerb(acc, edges, lines, i, j, side, last, first, weights, view):
    """The kerb of tile i, between lines i and j; last, first: no kerb follows, none precedes where the lap closes."""
    k = float(side)
    a = 2 if side > 0 else 0
    pi, qi = (-lines[i, 6], -lines[i, 7]) if last else (lines[i, 6], lines[i, 7])
    pj, qj = (-lines[j, 6], -lines[j, 7]) if first else (lines[j, 6], lines[j, 7])
    ix, iy = _outer(edges[i], a, k, view)
    jx, jy = _outer(edges[j], a, k, view)
    sx, sy, ox, oy = k * lines[i, 4], k * lines[i, 5], k * lines[j, 4], k * lines[j, 5]
    add_quad(
        acc,
        lines[i, a] - sx + pi, lines[i, a + 1] - sy + qi, ix + sx + pi, iy + sy + qi,
        jx + ox + pj, jy + oy + qj, lines[j, a] - ox + pj, lines[j, a + 1] - oy + qj,
        weights,
    )  # fmt: skip


@compiled()
def add_road(acc, edges, colors, kerbs, view, lines):
    """Coverage in channel 0, coverage times colour in channels 1 to 3. lines (T, 8) is scratch."""
    n = len(edges)
    _place_lines(edges, view, lines)
    for i in range(n):
        j = i - 1 if i > 0 else n - 1
        if lines[i, 0] == _FAR or lines[j, 0] == _FAR:
            continue
        side = kerbs[i]
        left, right = (-1.0 if side < 0 else 1.0), (-1.0 if side > 0 else 1.0)  # the kerb hides a strip of its tile
        pi, qi, pj, qj = lines[i, 6], lines[i, 7], lines[j, 6], lines[j, 7]
        add_quad(
            acc,
            lines[i, 0] - left * lines[i, 4] + pi, lines[i, 1] - left * lines[i, 5] + qi,
            lines[i, 2] + right * lines[i, 4] + pi, lines[i, 3] + right * lines[i, 5] + qi,
            lines[j, 2] + right * lines[j, 4] + pj, lines[j, 3] + right * lines[j, 5] + qj,
            lines[j, 0] - left * lines[j, 4] + pj, lines[j, 1] - left * lines[j, 5] + qj,
            (1.0, float(int(colors[i, 0])), float(int(colors[i, 1])), float(int(colors[i, 2]))),
        )  # fmt: skip
        if side != 0:
            last = i < n - 1 and kerbs[i + 1] != side
            first = i == 0 and kerbs[n - 1] != side
            other = 255.0 if i % 2 == 0 else 0.0
            _add_kerb(acc, edges, lines, i, j, side, last, first, (1.0, 255.0, other, other), view)
