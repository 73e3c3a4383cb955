"""Every strategy, with each of its options that changes how it searches, and the functions they are tried on."""

from dataclasses import replace
from typing import Any

import numpy as np

from reverie.evolution.cma import CmaConfig
from reverie.evolution.ga import GaConfig
from reverie.evolution.openes import OpenEsConfig
from reverie.evolution.pepg import PepgConfig
from reverie.evolution.recorded import Recorded
from reverie.evolution.strategies import StrategyConfig, make_strategy

_PEPG, _OPENES, _GA = PepgConfig(population=16), OpenEsConfig(population=16), GaConfig(population=16, sigma=0.1)
VARIANTS = {
    "cma": CmaConfig(population=16),
    "cma-diagonal": CmaConfig(population=16, diagonal=True),
    "pepg": _PEPG,
    "pepg-one-sided": replace(_PEPG, symmetric=False),
    "pepg-center": replace(_PEPG, population=17, baseline="center"),
    "pepg-one-sided-center": replace(_PEPG, symmetric=False, baseline="center"),
    "pepg-raw": replace(_PEPG, ranks=False),
    "pepg-sgd": replace(_PEPG, optimizer="sgd", momentum=0.0, learning_rate=2.0),
    "pepg-ses": replace(_PEPG, elite_ratio=0.25),
    "openes": _OPENES,
    "openes-one-sided": replace(_OPENES, antithetic=False),
    "openes-raw": replace(_OPENES, ranks=False),
    "openes-sgd": replace(_OPENES, optimizer="sgd"),
    "ga": _GA,
    "ga-asexual": replace(_GA, crossover=False),
    "ga-remember": replace(_GA, remember=True),
}
"""Name -> settings; the name begins with the strategy's."""


def make(variant: str, num_params: int, *, seed: int = 4, start: np.ndarray | None = None, **changes: Any) -> Recorded:
    """A new strategy of a variant, with changes to its settings."""
    kind = variant.split("-")[0]
    settings: Any = {kind: replace(VARIANTS[variant], **changes)}
    config = StrategyConfig(name=kind, **settings)  # pyright: ignore[reportArgumentType]
    strategy = make_strategy(config, num_params, np.random.default_rng(seed))
    if start is not None:
        strategy.recenter(start)
    return strategy


def sphere(x: np.ndarray) -> np.ndarray:
    """Best, 0, at (1, ..., 1); -1 at zero, whatever the number of parameters."""
    return -np.square(x - 1).mean(-1)


def rosenbrock(x: np.ndarray) -> np.ndarray:
    """Best, 0, at (1, ..., 1), at the end of a bent valley; 1 - p at zero."""
    return -(100 * np.square(x[..., 1:] - np.square(x[..., :-1])) + np.square(1 - x[..., :-1])).sum(-1)
