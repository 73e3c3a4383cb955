"""What an attribute adds to a latent: the vectors of latent arithmetic.

`one` is one vector for all frames (Radford et al. 2016; Larsen et al. 2016, section 4.2). `local` is the same
difference among the training frames that lie nearest to a latent: a road that turns left takes other pixels when the
car faces along it than when it faces across.

Shapes: n frames, z latent.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from reverie.measure.truth.labelled import ATTRIBUTES
from reverie.types import Floats

Kind = Literal["one", "local"]

NEIGHBOURS = (5, 40)
"""Frames with, and as many without, that a local vector is the difference of: numbers to choose from."""

LEFT, RIGHT, STRAIGHT, GRASS, KERB, BESIDE = range(len(ATTRIBUTES))
_BALANCED = {
    LEFT: (GRASS, KERB, BESIDE),
    RIGHT: (GRASS, KERB, BESIDE),
    STRAIGHT: (GRASS, KERB, BESIDE),
    GRASS: (LEFT, RIGHT, KERB),
    KERB: (LEFT, RIGHT, GRASS, BESIDE),
    BESIDE: (LEFT, RIGHT, KERB),
}
_LEAST = 5
"""Frames on either side from which a stratum counts."""


def contrast(attributes: np.ndarray, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Masks (n,) of the frames with an attribute and of those without, which for a curve are the straight ones."""
    lacking = attributes[:, STRAIGHT] == 1 if target in (LEFT, RIGHT) else attributes[:, target] == 0
    return attributes[:, target] == 1, lacking


def attribute_vectors(z: Floats, attributes: np.ndarray) -> np.ndarray:
    """What each attribute adds to the latents z (n, z), given attributes (n, 6) -> (6, z); 0 where nothing can be said.

    The difference of the means with and without, taken within each combination of the other attributes, and averaged
    with the weights 1 / (1 / n_with + 1 / n_without), which make the variance least.
    """
    vectors = np.zeros((len(ATTRIBUTES), z.shape[1]))
    for target, others in _BALANCED.items():
        with_it, without = contrast(attributes, target)
        stratum = (attributes[:, others] == 1) @ (1 << np.arange(len(others)))
        weights = 0.0
        for value in np.unique(stratum):
            a, b = with_it & (stratum == value), without & (stratum == value)
            if min(a.sum(), b.sum()) >= _LEAST:
                weight = 1 / (1 / a.sum() + 1 / b.sum())
                vectors[target] += weight * (z[a].mean(0) - z[b].mean(0))
                weights += weight
        vectors[target] /= weights or 1
    return vectors


@dataclass(frozen=True, kw_only=True, eq=False)
class OneVector:
    """The same step everywhere."""

    vector: np.ndarray
    """(z,)"""
    neighbours: None = None

    def __call__(self, at: np.ndarray) -> np.ndarray:
        """Latents (m, z) -> v (m, z)."""
        return np.broadcast_to(self.vector, at.shape)


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalVector:
    """Difference of the means of the nearest latents with an attribute and of the nearest without."""

    with_it: np.ndarray
    """(n_with, z)"""
    without: np.ndarray
    """(n_without, z)"""
    neighbours: int

    def __call__(self, at: np.ndarray) -> np.ndarray:
        """Latents (m, z) -> v (m, z); 0 where there are none of one sort."""
        if not (len(self.with_it) and len(self.without)):
            return np.zeros_like(at)
        return self._nearest(at, self.with_it) - self._nearest(at, self.without)

    def _nearest(self, at: np.ndarray, among: np.ndarray) -> np.ndarray:
        distance = (among**2).sum(1) - 2 * at @ among.T  # without the part that is the same for all
        num = min(self.neighbours, len(among))
        return among[np.argpartition(distance, num - 1, 1)[:, :num]].mean(1)


Shift = OneVector | LocalVector


def shifts(z: Floats, attributes: np.ndarray) -> dict[tuple[int, Kind], list[Shift]]:
    """For each attribute and kind the vectors to choose from, given the latents z (n, z) of training frames."""
    vectors = attribute_vectors(z, attributes)
    found: dict[tuple[int, Kind], list[Shift]] = {}
    for target in range(len(ATTRIBUTES)):
        found[target, "one"] = [OneVector(vector=vectors[target])]
        with_it, without = (z[mask] for mask in contrast(attributes, target))
        found[target, "local"] = [LocalVector(with_it=with_it, without=without, neighbours=n) for n in NEIGHBOURS]
    return found
