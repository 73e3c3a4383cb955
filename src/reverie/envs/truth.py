"""What is true of a scene of a road: for measurements, never for an agent.

Shapes: n scenes. Lengths in world units (the road is 13.3 wide, a tile 3.5 long), angles in rad, to the left positive.
"""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reverie.envs.config import EnvConfig
from reverie.envs.known import KNOWN, load, worlds_with
from reverie.envs.registry import spec_of
from reverie.envs.vector import VectorEnv
from reverie.errors import UserError


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


def require_truth(config: EnvConfig, who: str) -> None:
    """Raises UserError where nobody can say what is true of a scene of the world that `who` was trained on."""
    world = KNOWN.get(config.name)
    if world is None or not world.has_truth:
        known = worlds_with(lambda one: one.has_truth)
        raise UserError(f"{who} was trained on {config.id}: only {known} says what is true of its scenes")


def labelled_env(config: EnvConfig, num_envs: int) -> LabelledEnv:
    """A batch that says what is true of its scenes. Raises UserError where a world cannot."""
    require_truth(config, "what is to be measured")
    return load(KNOWN[config.name].batch)(config, num_envs, spec_of(config))
