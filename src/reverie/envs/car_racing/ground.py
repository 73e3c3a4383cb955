"""The field and its grass patches."""

from reverie.compiled import compiled
from reverie.envs.car_racing.camera import fat, to_pixel
from reverie.envs.car_racing.cover import add_quad

FIELD = 2000 / 6.0  # half the field's side, world units
PATCH = FIELD / 20


@compiled()
def _add_square(acc, x0, y0, x1, y1, view, weights):
    """A rectangle along the world's axes; x1 > x0, y1 > y0."""
    c, s = view[0], view[1]
    e, n = fat(c, s), fat(-s, c)
    ux, uy = e * c - n * s, e * s + n * c  # outwards at (x1, y1)
    vx, vy = e * c + n * s, e * s - n * c  # outwards at (x1, y0)
    ax, ay = to_pixel(x1, y1, view)
    bx, by = to_pixel(x1, y0, view)
    cx, cy = to_pixel(x0, y0, view)
    dx, dy = to_pixel(x0, y1, view)
    add_quad(acc, ax + ux, ay + uy, bx + vx, by + vy, cx - ux, cy - uy, dx - vx, dy - vy, weights)


@compiled()
def add_ground(acc, view):
    """Coverage by the field in channel 0, by grass patches in channel 1."""
    zoom, px, py = view[2], view[5], view[6]
    reach = 790.0 / zoom  # beyond the window's farthest corner
    if abs(px) + reach < FIELD and abs(py) + reach < FIELD:
        for x in range(acc.shape[2]):
            acc[0, 0, x] = 1.0
    else:
        _add_square(acc, -FIELD, -FIELD, FIELD, FIELD, view, (1.0, 0.0))
    c, s = view[0], view[1]
    half = 0.5 * PATCH * (abs(c) + abs(s)) + 2.0 / zoom
    for i in range(-20, 20, 2):
        x = PATCH * i
        if abs(x + 0.5 * PATCH - px) > reach + PATCH:
            continue
        for j in range(-20, 20, 2):
            y = PATCH * j
            dx, dy = x + 0.5 * PATCH - px, y + 0.5 * PATCH - py
            if abs(dx * c - dy * s) > 500.0 / zoom + half or abs(dx * s + dy * c - 250.0 / zoom) > 350.0 / zoom + half:
                continue
            _add_square(acc, x, y, x + PATCH, y + PATCH, view, (0.0, 1.0))
