"""PEPG: parameter-exploring policy gradients (Sehnke et al. 2010, Neural Networks 23)."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from reverie.errors import UserError
from reverie.evolution.optimizers import Optimizer, OptimizerConfig
from reverie.evolution.shaping import annealed, centered_ranks, standardised
from reverie.evolution.strategy import Pairs, Vectors, halves


@dataclass(frozen=True, kw_only=True)
class PepgConfig(OptimizerConfig):
    """Settings of PEPG. SGD with a learning rate about 1 and no momentum is the paper's; Adam is estool's."""

    population: Annotated[int, Ge(2), Le(10_000)] = 64
    """Candidates of a generation; even with `symmetric`, but odd where the center is one of them."""
    sigma: Annotated[float, Ge(1e-6), Le(1e3)] = 0.1
    """Initial standard deviation of every parameter."""
    sigma_rate: Annotated[float, Ge(0), Le(1e3)] = 0.2
    """Learning rate of the standard deviations; 0 leaves them to `sigma_decay`."""
    sigma_change: Annotated[float, Gt(0), Lt(1)] = 0.2
    """Share of a standard deviation that it changes by at most in a generation."""
    sigma_decay: Annotated[float, Gt(0), Le(1)] = 0.999
    """What the standard deviations are multiplied by in each generation."""
    sigma_floor: Annotated[float, Ge(0), Le(1e3)] = 0.02
    """Where that decay ends; their own learning may go below."""
    symmetric: bool = True
    """Candidates come in pairs on both sides of the center, which tells slopes from curvature."""
    baseline: Literal["mean", "center"] = "mean"
    """What is better than usual: the generation's mean, or the center, which is then the last candidate."""
    ranks: bool = True
    """Learn from the order of the candidates, not from how far their fitness differs."""
    elite_ratio: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Above 0, the center goes to the mean of this share of the candidates, the best, and the learning rate is not
    used: estool's `ses` has 0.1."""
    weight_decay: Annotated[float, Ge(0), Le(1e9)] = 0.0
    """Fitness that a candidate loses for each unit of the mean square of its weights."""

    def __post_init__(self) -> None:
        drawn = self.population - (self.baseline == "center")
        if self.symmetric and drawn % 2:
            cure = "an odd one with baseline = center" if self.baseline == "center" else "an even one"
            text = f"pepg.population = {self.population} does not make pairs: give {cure}, or set symmetric = false"
            raise UserError(text, usage=True)


class Pepg:
    """A `Strategy` with a standard deviation for each parameter."""

    def __init__(self, config: PepgConfig, num_params: int, rng: np.random.Generator) -> None:
        self._config, self._rng = config, rng
        self._center, self._sigma = np.zeros(num_params), np.full(num_params, config.sigma)
        self._optimizer = Optimizer(config, num_params)

    @property
    def center(self) -> Vectors:
        """The mean of the search distribution (p,)."""
        return self._center.copy()

    @property
    def spread(self) -> float:
        """Root mean square of the standard deviations."""
        return float(np.sqrt(np.square(self._sigma).mean()))

    @property
    def pairs(self) -> Pairs:
        """Halves (n,) of the candidates drawn, whether symmetric or not; the center, if it is one, has no partner."""
        config = self._config
        if config.baseline == "mean":
            return halves(config.population)
        drawn = halves(config.population - 1)
        return np.append(drawn, drawn.max() + 1)

    def ask(self) -> Vectors:
        """Candidates (n, p), the second half of which mirrors the first if symmetric; the center is last if it is the
        baseline."""
        config, p = self._config, self._center.size
        drawn = config.population - (config.baseline == "center")
        steps = self._rng.standard_normal((drawn // 2 if config.symmetric else drawn, p)) * self._sigma
        if config.symmetric:
            steps = np.concatenate([steps, -steps])
        candidates = self._center + steps
        return np.vstack([candidates, self._center]) if config.baseline == "center" else candidates

    def tell(self, candidates: Vectors, fitness: Vectors) -> None:
        """Fitness (n,), higher is better."""
        config = self._config
        shaped = centered_ranks(fitness) if config.ranks else standardised(fitness)
        baseline = shaped.mean()
        if config.baseline == "center":
            candidates, shaped, baseline = candidates[:-1], shaped[:-1], shaped[-1]
        steps = candidates - self._center
        center_slope, sigma_slope = self._slopes(steps, shaped - baseline)
        if config.elite_ratio:
            elite = np.argsort(-shaped, kind="stable")[: max(1, round(config.elite_ratio * len(shaped)))]
            self._center = self._center + steps[elite].mean(0)
        else:
            self._center = self._center + self._optimizer.step(center_slope)
        limit = config.sigma_change * self._sigma
        sigma = self._sigma + np.clip(config.sigma_rate * sigma_slope, -limit, limit)
        self._sigma = annealed(sigma, config.sigma_decay, config.sigma_floor)

    def recenter(self, center: Vectors) -> None:
        """Moves the mean; the standard deviations stay, and the optimizer forgets its gradients."""
        self._center = np.array(center, np.float64)
        self._optimizer.forget()

    def _slopes(self, steps: Vectors, gain: Vectors) -> tuple[Vectors, Vectors]:
        """Gradients (p,) for the mean and the standard deviations, times sigma squared (the paper's step sizes)."""
        if self._config.symmetric:  # the mean learns from a pair's difference, sigma from its average
            m = len(steps) // 2
            steps, up, down = steps[:m], gain[:m], gain[m:]
            mean_gain, sigma_gain = (up - down) / 2, (up + down) / 2
        else:
            mean_gain = sigma_gain = gain
        center = (mean_gain[:, None] * steps).mean(0)
        curvature = (np.square(steps) - np.square(self._sigma)) / self._sigma
        return center, (sigma_gain[:, None] * curvature).mean(0)
