"""Exact coverage of cells by polygons.

Each edge leaves, in the cells that it crosses, the signed area between itself and the cell's bottom, and in the cell
below the rest of its width; summing down a column then gives the share of each cell that the polygon covers (the
accumulation buffer of font rasterisers). Polygons share a buffer: an edge carries a weight for each of its channels.

Shapes: buffers (H + 1, channels, W) float32. Cell coordinates: x to the right, y downwards.
"""

from reverie.compiled import compiled

W, H = 96, 84  # cells of the picture without the indicator panel
X_CELL, Y_CELL = 96 / 1000, 96 / 800  # cells per window pixel


@compiled()
def _put(acc, y, x, area, weights):
    for c in range(len(weights)):
        acc[y, c, x] += area * weights[c]


@compiled()
def _add_edge(acc, x0, y0, x1, y1, weights):
    """The signed area below one edge (cell coordinates): positive where the edge runs to the right."""
    if x0 == x1:
        return
    sign = 1.0
    if x0 > x1:
        x0, y0, x1, y1 = x1, y1, x0, y0
        sign = -1.0
    if x1 <= 0.0 or x0 >= W or (y0 >= H and y1 >= H):
        return
    slope = (y1 - y0) / (x1 - x0)
    if x0 < 0.0:
        y0 -= x0 * slope
        x0 = 0.0
    x1 = min(x1, float(W))
    x, y = x0, y0
    column = int(x0)
    while x < x1:
        right = min(column + 1.0, x1)
        width = right - x
        after = y + slope * width
        area = width * sign
        lo, hi = (y, after) if y < after else (after, y)
        if hi <= 0.0:
            _put(acc, 0, column, area, weights)
        elif lo < H:
            first = int(max(lo, 0.0))
            if lo >= 0.0 and hi <= first + 1.0:  # the common case: within one cell
                rest = area * (0.5 * (lo + hi) - first)
                _put(acc, first, column, area - rest, weights)
                _put(acc, first + 1, column, rest, weights)
            else:
                per = area / (hi - lo)
                if lo < 0.0:
                    _put(acc, 0, column, per * -lo, weights)
                    lo = 0.0
                hi = min(hi, float(H))
                cell = first
                while lo < hi:
                    end = min(cell + 1.0, hi)
                    part = per * (end - lo)
                    rest = part * (0.5 * (lo + end) - cell)
                    _put(acc, cell, column, part - rest, weights)
                    _put(acc, cell + 1, column, rest, weights)
                    lo = end
                    cell += 1
        x, y = right, after
        column += 1


@compiled()
def add_quad(acc, ax, ay, bx, by, cx, cy, dx, dy, weights):
    """Add a quadrilateral given in window pixels, corners in either order."""
    ax, bx, cx, dx = ax * X_CELL, bx * X_CELL, cx * X_CELL, dx * X_CELL
    ay, by, cy, dy = (800 - ay) * Y_CELL, (800 - by) * Y_CELL, (800 - cy) * Y_CELL, (800 - dy) * Y_CELL
    if max(ax, bx, cx, dx) <= 0.0 or min(ax, bx, cx, dx) >= W or max(ay, by, cy, dy) <= 0.0 or min(ay, by, cy, dy) >= H:
        return
    if (cx - ax) * (dy - by) < (cy - ay) * (dx - bx):  # turn it so that its upper side runs to the right
        bx, by, dx, dy = dx, dy, bx, by
    _add_edge(acc, ax, ay, bx, by, weights)
    _add_edge(acc, bx, by, cx, cy, weights)
    _add_edge(acc, cx, cy, dx, dy, weights)
    _add_edge(acc, dx, dy, ax, ay, weights)
