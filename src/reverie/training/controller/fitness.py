"""What candidates are worth: on which tracks they drive, when the hopeless ones stop, what their returns come to.

Shapes: n candidates, t tracks, d candidates of a round.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reverie.rollout import Outcome
from reverie.run.search import TracksConfig
from reverie.seeding import generator, sample_tracks

FIRST_ROUND = 2
"""Tracks that everybody drives before anybody is stopped: fewer say nothing of the noise."""
SMOOTHING = 8
"""Generations over which signal and noise are averaged: those of a single one are too noisy themselves."""

Evaluate = Callable[[np.ndarray, np.ndarray], list[Outcome]]
"""Drives the candidates with indices (d,), each on its own tracks (d, t): outcomes candidate by candidate."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitness:
    """What the candidates of a generation came to."""

    fitness: np.ndarray
    """(n,)"""
    returns: np.ndarray
    """(n, t), NaN where a candidate was stopped before."""
    outcomes: Sequence[Outcome]
    """Of all episodes, in the order in which they were driven."""

    @property
    def noise(self) -> float:
        """Variance of a return that neither candidate nor track explains; 0 where nothing can be said."""
        complete = self.returns[~np.isnan(self.returns).any(1)]
        return _residual_variance(complete)

    @property
    def signal(self) -> float:
        """Variance of the candidates' fitness that noise does not explain."""
        driven = (~np.isnan(self.returns)).sum(1)
        return max(0.0, float(self.fitness.var(ddof=1)) - self.noise * float((1 / driven).mean()))


def tracks_of(config: TracksConfig, seed: int, generation: int, pairs: np.ndarray, num_tracks: int) -> np.ndarray:
    """Reset seeds (n, t) of the tracks that the candidates of a generation drive: a pure function of its arguments.

    `pairs` (n,) says which pair a candidate belongs to (see `Strategy`).
    """
    rng = generator(seed, "controller", "tracks", generation)
    group = {"all": np.zeros_like(pairs), "halves": pairs, "none": np.arange(len(pairs))}[config.common]
    num_groups = int(group.max()) + 1
    drawn = np.array(sample_tracks(rng, num_groups * num_tracks)).reshape(num_groups, num_tracks)
    return drawn[group]


def scheduled_tracks(config: TracksConfig, generation: int) -> int:
    """Tracks that each candidate of a generation drives where their number follows the generations alone."""
    if not config.double_every:
        return config.num
    doublings = min(generation // config.double_every, 64)
    return min(config.num << doublings, max(config.num, config.max))


def num_tracks(config: TracksConfig, history: Sequence[Mapping[str, Any]]) -> int:
    """Tracks that each candidate of the next generation drives."""
    if not config.signal_to_noise:
        return scheduled_tracks(config, len(history))
    most = max(config.num, config.max)
    last = history[-SMOOTHING:]
    if not last:
        return config.num
    signal = sum(row["signal"] for row in last)
    noise = sum(row["noise"] for row in last)
    wanted = math.ceil(config.signal_to_noise * noise / signal) if signal > 0 else most
    return min(max(wanted, config.num), most, 2 * last[-1]["tracks"])


def longest(cap_length: float, history: Sequence[Mapping[str, Any]], action_repeat: int) -> int | None:
    """Decisions that an episode of the next generation may take, or None for no such limit: `cap_length` times the mean
    of the generation before."""
    if not cap_length or not history:
        return None
    return math.ceil(cap_length * history[-1]["mean_steps"] / action_repeat)


def measure(evaluate: Evaluate, tracks: np.ndarray, *, race: float = 0.0, kind: str = "mean") -> Fitness:
    """Drives every candidate on its `tracks` (n, t), in rounds that double; with a `race`, those that many standard
    errors behind the median are left out of the rounds to come. Fitness is the `mean` or the `min` of the returns."""
    n, t = tracks.shape
    returns, outcomes = np.full((n, t), np.nan), []
    racing, done = np.arange(n), 0
    while done < t:
        until = min(t, max(FIRST_ROUND, 2 * done)) if race else t
        found = evaluate(racing, tracks[racing, done:until])
        returns[racing, done:until] = np.array([outcome.ret for outcome in found]).reshape(len(racing), -1)
        outcomes += found
        done = until
        if done < t:
            racing = racing[_hopeful(returns[racing, :done], n, race)]
    return Fitness(fitness=_worth(returns, kind), returns=returns, outcomes=outcomes)


def _hopeful(returns: np.ndarray, n: int, race: float) -> np.ndarray:
    """Of the candidates that still race (d, k), those that may belong to the better half of all n (d,)."""
    means = returns.mean(1)
    median = np.sort(means)[::-1][min(n // 2, len(means)) - 1]
    return means >= median - race * math.sqrt(2 * _residual_variance(returns) / returns.shape[1])


def _worth(returns: np.ndarray, kind: str) -> np.ndarray:
    """Fitness (n,) of returns (n, t): their mean or minimum. A candidate that was stopped has its mean shifted by what
    the tracks it has missed were harder or easier for those that drove them all."""
    if kind == "min":
        return returns.min(1)
    stopped = np.isnan(returns).any(1)
    fitness, ease = np.nanmean(returns, 1), returns[~stopped].mean(0)
    for i in np.flatnonzero(stopped):
        fitness[i] += ease.mean() - ease[~np.isnan(returns[i])].mean()
    return fitness


def _residual_variance(returns: np.ndarray) -> float:
    """Of returns (d, k), the variance left by an additive model of candidates and tracks; 0 where it leaves none."""
    d, k = returns.shape
    if d < 2 or k < 2:
        return 0.0
    rest = returns - returns.mean(1, keepdims=True) - returns.mean(0, keepdims=True) + returns.mean()
    return float(np.square(rest).sum() / ((d - 1) * (k - 1)))
