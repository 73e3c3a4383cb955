"""CMA-ES (Hansen 2016, arXiv 1604.00772) by its author's package `cma`."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import cma
import numpy as np
from annotated_types import Ge, Gt
from threadpoolctl import threadpool_limits

from reverie.errors import UserError
from reverie.evolution.strategy import Vectors


@dataclass(frozen=True, kw_only=True)
class CmaConfig:
    """Settings of CMA-ES."""

    population: Annotated[int, Ge(3)] = 64
    """Candidates of a generation."""
    sigma: Annotated[float, Gt(0)] = 0.1
    """Initial step size."""
    diagonal: bool = False
    """Adapt variances only: linear cost and faster learning in many dimensions, blind to correlations."""


class Cma:
    """A `Strategy` over p parameters that starts at zero.

    `cma` minimises, so fitness is negated here and only here. The package's own way to save is a pickle, and its state
    is spread over many objects; what is kept instead is the fitness of every generation and the generator's first
    state, from which the search is run again without driving (20 to 70 ms a generation at 600 to 900 parameters).
    """

    def __init__(self, config: CmaConfig, num_params: int, rng: np.random.Generator) -> None:
        self.config = config
        self._rng = rng
        self._first_rng = copy.deepcopy(rng.bit_generator.state)
        self._fitness: list[Vectors] = []
        options = {
            "popsize": config.population,
            "CMA_diagonal": config.diagonal,
            "randn": lambda *shape: self._rng.standard_normal(shape),
            "seed": math.nan,  # the generator is ours: leave NumPy's global one alone
            "verbose": -9,
        }
        self._es = cma.CMAEvolutionStrategy(np.zeros(num_params), config.sigma, options)

    @property
    def center(self) -> Vectors:
        """The mean of the search distribution (p,)."""
        return np.array(self._es.mean)

    @property
    def spread(self) -> float:
        """The step size sigma."""
        return float(self._es.sigma)

    def ask(self) -> Vectors:
        """Candidates (n, p)."""
        with threadpool_limits(1):  # sums in one order whatever the cores, and no threads that wait for busy cores
            return np.array(self._es.ask())

    def tell(self, candidates: Vectors, fitness: Vectors) -> None:
        """Fitness (n,), higher is better."""
        fitness = np.array(fitness, np.float64)
        with threadpool_limits(1):
            self._es.tell(list(candidates), list(-fitness))
        self._fitness.append(fitness)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Fitness of every generation (g, n), the center to compare a replay with, the generator's first state."""
        fitness = np.array(self._fitness).reshape(-1, self.config.population)
        return {"fitness": fitness, "center": self.center}, {"first_rng": copy.deepcopy(self._first_rng)}

    def load_state(
        self,
        arrays: dict[str, np.ndarray],
        values: dict[str, Any],
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Runs the search again, from the start to where `state` was read; only a strategy that is new can do so.

        On the machine and versions that it was begun with, this is exact; elsewhere the last digits may differ. Raises
        UserError where more differs.
        """
        assert not self._fitness, "load_state is for a strategy that has not been told anything"
        other = "the search was begun with other versions: continue it with those, or begin it again (`--again`)"
        if not ({"fitness", "center"} <= set(arrays) and "first_rng" in values):
            raise UserError(other)
        self._first_rng = values["first_rng"]
        self._rng.bit_generator.state = copy.deepcopy(self._first_rng)
        for done, fitness in enumerate(arrays["fitness"], 1):
            self.tell(self.ask(), fitness)
            progress(done)
        if not np.allclose(self.center, arrays["center"], rtol=0, atol=1e-3 * self.spread):
            raise UserError(other)
