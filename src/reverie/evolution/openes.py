"""Evolution strategies as a gradient estimate (Salimans et al. 2017, arXiv 1703.03864), the strategy of OpenAI."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le

from reverie.errors import UserError
from reverie.evolution.optimizers import Optimizer, OptimizerConfig
from reverie.evolution.shaping import annealed, centered_ranks, standardised
from reverie.evolution.strategy import Pairs, Vectors, halves


@dataclass(frozen=True, kw_only=True)
class OpenEsConfig(OptimizerConfig):
    """Settings of OpenAI's strategy."""

    population: Annotated[int, Ge(2), Le(10_000)] = 64
    """Candidates of a generation; even with `antithetic`."""
    sigma: Annotated[float, Ge(1e-6), Le(1e3)] = 0.1
    """Initial standard deviation, the same for every parameter."""
    sigma_decay: Annotated[float, Gt(0), Le(1)] = 1.0
    """What it is multiplied by in each generation."""
    sigma_floor: Annotated[float, Ge(0), Le(1e3)] = 0.02
    """Where that decay ends."""
    antithetic: bool = True
    """Candidates come in pairs on both sides of the center."""
    ranks: bool = True
    """Learn from the order of the candidates, not from how far their fitness differs."""
    weight_decay: Annotated[float, Ge(0), Le(1e9)] = 0.0
    """Fitness that a candidate loses for each unit of the mean square of its weights."""

    def __post_init__(self) -> None:
        if self.antithetic and self.population % 2:
            text = f"openes.population = {self.population} does not make pairs: give an even one"
            raise UserError(f"{text}, or set antithetic = false", usage=True)


class OpenEs:
    """A `Strategy` with one standard deviation that follows a schedule."""

    def __init__(self, config: OpenEsConfig, num_params: int, rng: np.random.Generator) -> None:
        self._config, self._rng = config, rng
        self._center, self._sigma = np.zeros(num_params), float(config.sigma)
        self._optimizer = Optimizer(config, num_params)

    @property
    def center(self) -> Vectors:
        """The mean of the search distribution (p,)."""
        return self._center.copy()

    @property
    def spread(self) -> float:
        """The standard deviation sigma."""
        return float(self._sigma)

    @property
    def pairs(self) -> Pairs:
        """Halves (n,), whether antithetic or not."""
        return halves(self._config.population)

    def ask(self) -> Vectors:
        """Candidates (n, p), the second half of which mirrors the first if antithetic."""
        n, p = self._config.population, self._center.size
        if self._config.antithetic:
            noise = self._rng.standard_normal((n // 2, p))
            noise = np.concatenate([noise, -noise])
        else:
            noise = self._rng.standard_normal((n, p))
        return self._center + self._sigma * noise

    def tell(self, candidates: Vectors, fitness: Vectors) -> None:
        """Fitness (n,), higher is better."""
        config = self._config
        shaped = centered_ranks(fitness) if config.ranks else standardised(fitness)
        noise = (candidates - self._center) / self._sigma
        gradient = (shaped[:, None] * noise).mean(0) / self._sigma  # algorithm 1, line 6
        self._center = self._center + self._optimizer.step(gradient)
        self._sigma = annealed(self._sigma, config.sigma_decay, config.sigma_floor)

    def recenter(self, center: Vectors) -> None:
        """Moves the mean; sigma stays, and the optimizer forgets its gradients."""
        self._center = np.array(center, np.float64)
        self._optimizer.forget()
