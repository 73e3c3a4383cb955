"""The contract of an evolution strategy, which maximises."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float64]


class Strategy(Protocol):
    """Ask for candidates, tell their fitness; the state between two generations can be saved and set again."""

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

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and JSON values that say all there is to say between two generations."""
        ...

    def load_state(
        self, arrays: dict[str, np.ndarray], values: dict[str, Any], progress: Callable[[int], None] = ...
    ) -> None:
        """Makes a new strategy continue bit for bit from what `state` gave; `progress` hears of generations done."""
        ...
