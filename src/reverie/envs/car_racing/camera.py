"""Where the camera looks: world units to window pixels.

The window is 1000x800 pixels with y upwards (Gymnasium flips its picture last). The car is at (500, 200) and points up.
"""

import math

from reverie.compiled import compiled
from reverie.envs.car_racing.scene import HULL, TIME


@compiled()
def camera(state):
    """(cos, sin, zoom, x shift, y shift, car's x, car's y); zoom in pixels per unit grows in the first second."""
    px, py, angle, t = state[HULL], state[HULL + 1], -state[HULL + 2], state[TIME]
    zoom = 0.1 * 6.0 * max(1 - t, 0.0) + 2.7 * 6.0 * min(t, 1.0)
    c, s = math.cos(angle), math.sin(angle)
    x, y = -px * zoom, -py * zoom
    return c, s, zoom, 500.0 + (x * c - y * s), 200.0 + (x * s + y * c), px, py


@compiled()
def to_pixel(x, y, view):
    """Middle of the pixel that a point falls into; SDL truncates coordinates towards zero."""
    c, s, zoom, tx, ty, _, _ = view
    return int((x * c - y * s) * zoom + tx) + 0.5, int((x * s + y * c) * zoom + ty) + 0.5


@compiled()
def fat(nx, ny):
    """How far an edge with unit normal (nx, ny) reaches beyond its polygon, in pixels.

    SDL's spans include the pixels at both ends and the antialiased border adds a part of the next one: 0.625 of a pixel
    sideways on average for a steep edge; a flat edge reaches half a pixel up or down.
    """
    nx, ny = abs(nx), abs(ny)
    return 0.625 * nx if nx > ny else 0.5 * ny
