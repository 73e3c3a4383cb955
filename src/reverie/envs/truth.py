"""What is true of a scene of a road: for measurements, never for an agent.

Shapes: n scenes. Lengths in world units (the road is 13.3 wide, a tile 3.5 long), angles in rad, to the left positive.
"""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reverie.envs.vector import VectorEnv


class Labels(NamedTuple):
    """Ground truth of n scenes."""

    offset: NDArray[np.float64]
    """(n,) of the hull from the middle of the road, to the right positive; the road ends at 6.67."""
    heading: NDArray[np.float64]
    """(n,) angle of the car against the road at the nearest track point, in (-pi, pi]."""
    curvature: NDArray[np.float64]
    """(n,) mean of the next 10 tiles, rad per unit of length."""
    grass: NDArray[np.int64]
    """(n,) wheels that touch no tile, 0 to 4."""
    speed: NDArray[np.float64]
    """(n,) of the hull, units a second."""
    kerb: NDArray[np.bool_]
    """(n,) whether a corner of a kerb lies in the picture."""


class LabelledEnv(VectorEnv, Protocol):
    """A batch of environments that say what is true of them."""

    def labels(self, rows: ArrayLike) -> Labels:
        """What is true of `rows` now: (n,) arrays."""
        ...
