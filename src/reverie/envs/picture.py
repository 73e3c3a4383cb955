"""From an observation to a frame: (64, 64, 3) uint8, whatever the environment shows.

Shapes: h w height and width of the environment's picture, c its channels, 1 (grey) or 3.
"""

from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
        from reverie.envs.area_average import area_average  # the compiler is slow to import

        small = np.empty((SIZE, SIZE, picture.shape[2]), np.uint8)
        area_average(np.ascontiguousarray(picture), *_steps(picture.shape[0]), *_steps(picture.shape[1]), small)
        picture = small
    return np.repeat(picture, 3, -1) if picture.shape[2] == 1 else np.array(picture)


def _steps(size: int) -> tuple[int, int]:
    """Of an axis of `size` pixels whose units divide pixels and the 64 equal parts alike: units of a part, of a
    pixel."""
    common = gcd(size, SIZE)
    return size // common, SIZE // common
