"""The contract of an evolution strategy, which maximises. `Recorded` makes any of them one that can be saved."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float64]
Pairs = NDArray[np.int64]


def halves(num: int) -> Pairs:
    """Pairs (n,) of n candidates: those at the same place of the two halves, the first of which is never smaller."""
    return np.arange(num) % -(-num // 2)


class Strategy(Protocol):
    """Ask for n candidates over p parameters, tell their fitness; a new one is centered on zero."""

    @property
    def center(self) -> Vectors:
        """The current best guess (p,)."""
        ...

    @property
    def spread(self) -> float:
        """The current step size."""
        ...

    @property
    def pairs(self) -> Pairs:
        """The pair (n,) that each candidate of a generation belongs to, numbered from 0: two that lie on both sides of
        the center, and are compared on the same tracks. A strategy that has no such pairs gives `halves`."""
        ...

    def ask(self) -> Vectors:
        """Candidates (n, p) of the next generation."""
        ...

    def tell(self, candidates: Vectors, fitness: Vectors) -> None:
        """Takes the fitness (n,) of the candidates just asked for; higher is better."""
        ...

    def recenter(self, center: Vectors) -> None:
        """Goes on from `center` (p,) with the step size that was reached; only between two generations."""
        ...
