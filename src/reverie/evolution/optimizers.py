"""Steps along an estimated gradient, uphill: Adam (Kingma & Ba 2015) and SGD with momentum, on NumPy vectors."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from reverie.evolution.shaping import annealed
from reverie.evolution.strategy import Vectors

BETA2 = 0.999
"""Adam's memory for squared gradients."""
EPSILON = 1e-8
"""What keeps Adam from dividing by zero."""


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """How the mean of a search distribution follows its gradient."""

    optimizer: Literal["adam", "sgd"] = "adam"
    """Adam, or stochastic gradient ascent with momentum."""
    momentum: Annotated[float, Ge(0), Lt(1)] = 0.9
    """Memory for gradients, of either."""
    learning_rate: Annotated[float, Gt(0), Le(1e3)] = 0.02
    """For Adam, how far a parameter moves at most in a generation, about; for SGD, times the gradient."""
    learning_rate_decay: Annotated[float, Gt(0), Le(1)] = 0.998
    """What the learning rate is multiplied by in each generation."""
    learning_rate_floor: Annotated[float, Ge(0), Le(1e3)] = 0.001
    """Where its decay ends."""


class Optimizer:
    """Turns gradients (p,) into steps (p,)."""

    def __init__(self, config: OptimizerConfig, num_params: int) -> None:
        self._config = config
        self._rate = float(config.learning_rate)
        self._first, self._second, self._steps = np.zeros(num_params), np.zeros(num_params), 0

    def forget(self) -> None:
        """Drops the memory of gradients; the learning rate stays."""
        self._first, self._second, self._steps = np.zeros_like(self._first), np.zeros_like(self._second), 0

    def step(self, gradient: Vectors) -> Vectors:
        """The step to take for this gradient; the learning rate decays after it."""
        beta, self._steps = self._config.momentum, self._steps + 1
        self._first = beta * self._first + (1 - beta) * gradient
        if self._config.optimizer == "sgd":
            step = self._rate * self._first
        else:
            self._second = BETA2 * self._second + (1 - BETA2) * np.square(gradient)
            first, second = self._first / (1 - beta**self._steps), self._second / (1 - BETA2**self._steps)
            step = self._rate * first / (np.sqrt(second) + EPSILON)
        self._rate = annealed(self._rate, self._config.learning_rate_decay, self._config.learning_rate_floor)
        return step
