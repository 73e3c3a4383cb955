"""CMA-ES (Hansen 2016, arXiv 1604.00772) by its author's package `cma`."""

import math
from dataclasses import dataclass
from typing import Annotated, Any

import cma
import numpy as np
from annotated_types import Ge, Gt

from reverie.evolution.strategy import Vectors

_CACHES = frozenset({"_mueff", "_lam"})  # the sampler takes their presence as proof that it has learning rates


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

    `cma` minimises, so fitness is negated here and only here. The package's own way to save is a pickle; instead the
    numbers that change from one generation to the next are read off its parts and set again (`load_state`).
    """

    def __init__(self, config: CmaConfig, num_params: int, rng: np.random.Generator) -> None:
        self.config = config
        self._rng = rng
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
        return np.array(self._es.ask())

    def tell(self, candidates: Vectors, fitness: Vectors) -> None:
        """Fitness (n,), higher is better."""
        self._es.tell(list(candidates), list(-np.asarray(fitness, np.float64)))

    def _parts(self) -> dict[str, Any]:
        return {"es": self._es, "sampler": self._es.sm, "step": self._es.adapt_sigma, "scale": self._es.sigma_vec}

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Every number and array of the strategy's parts, and the generator's state."""
        arrays: dict[str, np.ndarray] = {}
        values: dict[str, Any] = {"rng": self._rng.bit_generator.state}
        for part, holder in self._parts().items():
            for name, value in vars(holder).items():
                if name in _CACHES:
                    continue
                key = f"{part}.{name}"
                if isinstance(value, bool | int | np.integer):
                    values[key] = int(value)
                elif isinstance(value, float | np.floating) or _is_numeric(value):
                    arrays[key] = np.array(value, np.float64)  # as an array even alone: JSON knows no infinity
        return arrays, values

    def load_state(self, arrays: dict[str, np.ndarray], values: dict[str, Any]) -> None:
        """Sets what `state` read."""
        self._es.ask()  # makes the parts that the package makes only when first asked
        self._rng.bit_generator.state = values["rng"]
        parts = self._parts()
        numbers = {key: np.asarray(value) for key, value in values.items() if key != "rng"}
        for key, value in (arrays | numbers).items():
            part, name = key.split(".", 1)
            setattr(parts[part], name, value.copy() if np.ndim(value) else value.item())


def _is_numeric(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"
