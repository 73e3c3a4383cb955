"""From an observation to a frame: (64, 64, 3) uint8, whatever the environment shows.

Shapes: h w height and width of the environment's picture, c its channels, 1 (grey) or 3.
"""

from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reverie.compiled import compiled
from reverie.errors import UserError

SIZE = 64


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Where the picture is in an observation, its size, and what of it is kept."""

    shape: tuple[int, ...]
    """(h, w), (h, w, 1) or (h, w, 3)"""
    key: str | None = None
    """In a Dict; None where the observation is the picture."""
    rows: int | None = None
    """So many from the top are kept; None for all."""

    def of(self, observation: Any) -> NDArray[np.uint8]:
        """The picture as the environment gives it, `shape`. Raises UserError where it is not what was announced."""
        found = np.asarray(observation if self.key is None else observation[self.key])
        if found.shape != self.shape or found.dtype != np.uint8:
            raise UserError(
                f"the environment announces pictures {self.shape} uint8 and gives {found.shape} {found.dtype}: "
                "correct its observation_space, or what it renders"
            )
        return found

    def to_64(self, observation: Any) -> NDArray[np.uint8]:
        """The frame (64, 64, 3) of an observation."""
        return to_64(self.of(observation)[: self.rows])


def to_64(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, w), (h, w, 1) or (h, w, 3) -> (64, 64, 3) by area average; grey in all three colours."""
    assert picture.dtype == np.uint8, picture.dtype
    if picture.ndim == 2:
        picture = picture[..., None]
    assert picture.shape[2:] in ((1,), (3,)), picture.shape
    if picture.shape[:2] != (SIZE, SIZE):
        small = np.empty((SIZE, SIZE, picture.shape[2]), np.uint8)
        _average(np.ascontiguousarray(picture), *_steps(picture.shape[0]), *_steps(picture.shape[1]), small)
        picture = small
    return np.repeat(picture, 3, -1) if picture.shape[2] == 1 else np.array(picture)


def _steps(size: int) -> tuple[int, int]:
    """Of an axis of `size` pixels whose units divide pixels and the 64 equal parts alike: units of a part, of a
    pixel."""
    common = gcd(size, SIZE)
    return size // common, SIZE // common


@compiled(kept=True)
def _average(
    picture: NDArray[np.uint8],
    part_h: int,
    pixel_h: int,
    part_w: int,
    pixel_w: int,
    out: NDArray[np.uint8],
) -> None:
    """(h, w, c) -> `out` (64, 64, c), in whole numbers, to the nearest, ties to even."""
    _, w, c = picture.shape
    flat, total = picture.reshape(-1, w * c), part_h * part_w
    line = np.empty(w * c, np.int64)
    for y in range(SIZE):
        line[:] = 0
        first, last = y * part_h, (y + 1) * part_h
        for row in range(first // pixel_h, (last - 1) // pixel_h + 1):
            share = min(last, (row + 1) * pixel_h) - max(first, row * pixel_h)
            for i in range(w * c):
                line[i] += share * flat[row, i]
        for x in range(SIZE):
            left, right = x * part_w, (x + 1) * part_w
            for k in range(c):
                found = 0
                for column in range(left // pixel_w, (right - 1) // pixel_w + 1):
                    share = min(right, (column + 1) * pixel_w) - max(left, column * pixel_w)
                    found += share * line[column * c + k]
                out[y, x, k] = np.rint(found / total)
