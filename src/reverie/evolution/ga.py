"""A simple genetic algorithm: truncation selection, Gaussian mutation, uniform crossover (after estool's)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le

from reverie.evolution.shaping import annealed
from reverie.evolution.strategy import Pairs, Vectors, halves


@dataclass(frozen=True, kw_only=True)
class GaConfig:
    """Settings of the genetic algorithm."""

    population: Annotated[int, Ge(2), Le(10_000)] = 64
    """Candidates of a generation."""
    sigma: Annotated[float, Ge(1e-6), Le(1e3)] = 0.03
    """Standard deviation of the first mutations; all parameters change at once, so it is best smaller than CMA-ES's."""
    sigma_decay: Annotated[float, Gt(0), Le(1)] = 0.999
    """What it is multiplied by in each generation."""
    sigma_floor: Annotated[float, Ge(0), Le(1e3)] = 0.01
    """Where that decay ends."""
    elite_ratio: Annotated[float, Gt(0), Le(1)] = 0.25
    """Share of the candidates, the best, that are parents of the next ones."""
    crossover: bool = True
    """A child has each parameter from one of two parents; else it has one parent."""
    remember: bool = False
    """Parents compete with their children by the fitness that they once had, which an easy track can make hard to
    beat; else only the best of them does, as the first candidate, on the same tracks as its children."""
    weight_decay: Annotated[float, Ge(0), Le(1e9)] = 0.0
    """Fitness that a candidate loses for each unit of the mean square of its weights."""


class Ga:
    """A `Strategy` whose parents (e, p) are in order, best first."""

    def __init__(self, config: GaConfig, num_params: int, rng: np.random.Generator) -> None:
        self._config, self._rng = config, rng
        self._sigma = float(config.sigma)
        self._num_parents = max(1, round(config.elite_ratio * config.population))
        self.recenter(np.zeros(num_params))

    @property
    def center(self) -> Vectors:
        """The champion (p,): the best of the last generation, or of all with `remember`; not a mean."""
        return self._parents[0].copy()

    @property
    def spread(self) -> float:
        """The standard deviation of mutations."""
        return float(self._sigma)

    @property
    def pairs(self) -> Pairs:
        """Halves (n,): it has no pairs."""
        return halves(self._config.population)

    def ask(self) -> Vectors:
        """Candidates (n, p): mutated children, but the first is the champion as it is, unless its fitness stands."""
        n, p = self._config.population, self._parents.shape[1]
        mothers, fathers = self._rng.integers(len(self._parents), size=(2, n))
        children = self._parents[mothers]
        if self._config.crossover:
            children = np.where(self._rng.random((n, p)) < 0.5, children, self._parents[fathers])
        children = children + self._sigma * self._rng.standard_normal((n, p))
        if not self._fitness.size:
            children[0] = self._parents[0]
        return children

    def tell(self, candidates: Vectors, fitness: Vectors) -> None:
        """Fitness (n,), higher is better; of equals, the one that was there first is kept."""
        config = self._config
        if self._fitness.size:
            candidates = np.concatenate([self._parents, candidates])
            fitness = np.concatenate([self._fitness, fitness])
        best = np.argsort(-fitness, kind="stable")[: self._num_parents]
        self._parents = candidates[best]
        self._fitness = fitness[best] if config.remember else np.empty(0)
        self._sigma = annealed(self._sigma, config.sigma_decay, config.sigma_floor)

    def recenter(self, center: Vectors) -> None:
        """Makes `center` the only parent, whose fitness is not known yet; sigma stays."""
        self._parents = np.array(center, np.float64)[None]
        self._fitness = np.empty(0)
