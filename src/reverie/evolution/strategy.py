"""The contract of an evolution strategy, which maximises. `Recorded` makes any of them one that can be saved."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float64]


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

    def ask(self) -> Vectors:
        """Candidates (n, p) of the next generation."""
        ...

    def tell(self, candidates: Vectors, fitness: Vectors) -> None:
        """Takes the fitness (n,) of the candidates just asked for; higher is better."""
        ...

    def recenter(self, center: Vectors) -> None:
        """Goes on from `center` (p,) with the step size that was reached; only between two generations."""
        ...
