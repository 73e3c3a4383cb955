"""Which strategy, and with what settings: the one place that knows them all."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from reverie.evolution.cma import Cma, CmaConfig
from reverie.evolution.ga import Ga, GaConfig
from reverie.evolution.openes import OpenEs, OpenEsConfig
from reverie.evolution.pepg import Pepg, PepgConfig
from reverie.evolution.recorded import Recorded

STRATEGIES: dict[str, Any] = {"cma": Cma, "pepg": Pepg, "openes": OpenEs, "ga": Ga}
"""Name -> its class."""


@dataclass(frozen=True, kw_only=True)
class StrategyConfig:
    """An evolution strategy and its settings; those of the others are not used."""

    name: Literal["cma", "pepg", "openes", "ga"] = "cma"
    """CMA-ES, parameter-exploring policy gradients, OpenAI's strategy, or a genetic algorithm."""
    cma: CmaConfig = field(default_factory=CmaConfig)
    """CMA-ES: adapts step size and covariance."""
    pepg: PepgConfig = field(default_factory=PepgConfig)
    """PEPG: follows gradients of a mean and of each parameter's standard deviation."""
    openes: OpenEsConfig = field(default_factory=OpenEsConfig)
    """OpenAI's strategy: follows the gradient of a mean."""
    ga: GaConfig = field(default_factory=GaConfig)
    """A genetic algorithm: keeps, crosses and mutates the best."""

    @property
    def settings(self) -> Any:
        """Those of the strategy that is used."""
        return getattr(self, self.name)


def make_strategy(config: StrategyConfig, num_params: int, rng: np.random.Generator) -> Recorded:
    """The strategy that `config` names over p parameters, at zero; it draws from `rng` alone."""
    kind, settings = STRATEGIES[config.name], config.settings
    return Recorded(lambda: kind(settings, num_params, rng), rng, weight_decay=settings.weight_decay)
