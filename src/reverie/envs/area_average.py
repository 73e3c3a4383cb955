"""The average of a picture over the equal parts of a smaller one, compiled."""

import numpy as np
from numpy.typing import NDArray

from reverie.compiled import compiled


@compiled(kept=True)
def area_average(
    picture: NDArray[np.uint8],
    part_h: int,
    pixel_h: int,
    part_w: int,
    pixel_w: int,
    out: NDArray[np.uint8],
) -> None:
    """(h, w, c) -> `out`, in whole numbers, to the nearest, ties to even. Along each axis a pixel and a part of
    `out` are so many units long."""
    _, w, c = picture.shape
    flat, total = picture.reshape(-1, w * c), part_h * part_w
    line = np.empty(w * c, np.int64)
    for y in range(out.shape[0]):
        line[:] = 0
        first, last = y * part_h, (y + 1) * part_h
        for row in range(first // pixel_h, (last - 1) // pixel_h + 1):
            share = min(last, (row + 1) * pixel_h) - max(first, row * pixel_h)
            for i in range(w * c):
                line[i] += share * flat[row, i]
        for x in range(out.shape[1]):
            left, right = x * part_w, (x + 1) * part_w
            for k in range(c):
                found = 0
                for column in range(left // pixel_w, (right - 1) // pixel_w + 1):
                    share = min(right, (column + 1) * pixel_w) - max(left, column * pixel_w)
                    found += share * line[column * c + k]
                out[y, x, k] = np.rint(found / total)
