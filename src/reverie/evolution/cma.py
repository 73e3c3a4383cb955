"""CMA-ES (Hansen 2016, arXiv 1604.00772) by its author's package `cma`."""

import math
import warnings
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le
from threadpoolctl import ThreadpoolController

from reverie.devices import one_thread
from reverie.evolution.strategy import Pairs, Vectors, halves
from reverie.plotting import import_matplotlib


@dataclass(frozen=True, kw_only=True)
class CmaConfig:
    """Settings of CMA-ES."""

    population: Annotated[int, Ge(3), Le(10_000)] = 64
    """Candidates of a generation."""
    sigma: Annotated[float, Ge(1e-6), Le(1e3)] = 0.1
    """Initial step size."""
    diagonal: bool = False
    """Adapt variances only: linear cost and faster learning in many dimensions, blind to correlations."""
    weight_decay: Annotated[float, Ge(0), Le(1e9)] = 0.0
    """Fitness that a candidate loses for each unit of the mean square of its weights."""


class Cma:
    """A `Strategy`. `cma` minimises, so fitness is negated here and only here."""

    def __init__(self, config: CmaConfig, num_params: int, rng: np.random.Generator) -> None:
        import_matplotlib()  # which `cma` imports
        import cma  # late: that takes half a second

        options = {
            "popsize": config.population,
            "CMA_diagonal": config.diagonal,
            "randn": lambda *shape: rng.standard_normal(shape),
            "seed": math.nan,  # the generator is ours: leave NumPy's global one alone
            "verbose": -9,
        }
        self._config = config
        self._libraries = ThreadpoolController()  # found once: that takes longer than small searches do
        self._es = cma.CMAEvolutionStrategy(np.zeros(num_params), config.sigma, options)

    @property
    def center(self) -> Vectors:
        """The mean of the search distribution (p,)."""
        return np.array(self._es.mean)

    @property
    def spread(self) -> float:
        """The step size sigma."""
        return float(self._es.sigma)

    @property
    def pairs(self) -> Pairs:
        """Halves (n,): it has no pairs."""
        return halves(self._config.population)

    def ask(self) -> Vectors:
        """Candidates (n, p)."""
        with one_thread(self._libraries):
            return np.array(self._es.ask())

    def tell(self, candidates: Vectors, fitness: Vectors) -> None:
        """Fitness (n,), higher is better."""
        with one_thread(self._libraries), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "elements of z2", UserWarning)  # it clips them: noise, not a mistake
            self._es.tell(list(candidates), list(-fitness))

    def recenter(self, center: Vectors) -> None:
        """Moves the mean; step size, covariance and paths are relative to it and stay."""
        self._es.mean = np.array(center, np.float64)
