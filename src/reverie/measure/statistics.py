"""Means, rates and rank correlations, and how far to trust them.

Shapes: n values, m things of which k and l repetitions were measured, b bootstraps, d doses.
"""

from collections.abc import Sequence

import numpy as np

from reverie.seeding import generator

BOOTSTRAPS = 2000


def standard_error(values: np.ndarray) -> np.ndarray:
    """Of the means of values (..., n) -> (...); n is 2 or more, since from one nothing follows."""
    n = values.shape[-1]
    assert n > 1, values.shape
    return values.std(-1, ddof=1) / np.sqrt(n)


def confidence_interval(values: np.ndarray) -> tuple[float, float] | None:
    """95% interval of the mean of `values` (n,), by Student's t; None where n = 1, since from one nothing follows."""
    from scipy.special import stdtrit  # what scipy.stats.t.ppf is made of, without the rest of it, 0.5 s to import

    if len(values) < 2:
        return None
    half = stdtrit(len(values) - 1, 0.975) * standard_error(values)
    return float(values.mean() - half), float(values.mean() + half)


def mean_text(mean: float, ci95: Sequence[float] | None) -> str:
    """For people: 907 [894, 920], or 907 where there is no interval."""
    return f"{mean:.0f}" + (" [{:.0f}, {:.0f}]".format(*ci95) if ci95 else "")


def wilson_interval(rate: float | None, num: int) -> tuple[float, float] | None:
    """95% interval of a rate among `num` independent observations (Wilson 1927)."""
    if rate is None or not num:
        return None
    q = 1.959964**2 / num
    centre, half = (rate + q / 2) / (1 + q), np.sqrt(q * rate * (1 - rate) + q * q / 4) / (1 + q)
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Rank correlation of x (m,) and y (m,); 0 where one of them tells none apart."""
    return float(_rank_correlations(x, y))


def _rank_correlations(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The same of x (..., m) and y (..., m) -> (...)."""
    from scipy.stats import rankdata

    middle = (x.shape[-1] + 1) / 2
    x, y = rankdata(x, axis=-1) - middle, rankdata(y, axis=-1) - middle
    size = np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
    return (x * y).sum(-1) / np.where(size > 0, size, 1.0)


def spearman_interval(x: np.ndarray, y: np.ndarray, seed: int) -> tuple[float, float]:
    """95% interval of the rank correlation of the means of x (m, k) and y (m, l), by a bootstrap that draws things, and
    of all of them repetitions."""
    rng, (m, k), num_y = generator(seed, "bootstrap"), x.shape, y.shape[1]
    drawn = [
        (rng.integers(m, size=m), rng.integers(k, size=k), rng.integers(num_y, size=num_y)) for _ in range(BOOTSTRAPS)
    ]
    rows, of_x, of_y = map(np.stack, zip(*drawn, strict=True))  # (b, m), (b, k), (b, l)
    means = (values[rows[:, :, None], of[:, None]].mean(-1) for values, of in ((x, of_x), (y, of_y)))
    low, high = np.percentile(_rank_correlations(*means), [2.5, 97.5])
    return float(low), float(high)


def auc(score: np.ndarray, yes: np.ndarray) -> float | None:
    """Probability that one with `yes` (n,) has a higher score (n,) than one without, half where they are equal; None
    where all are of one kind."""
    from scipy.stats import rankdata

    with_it, without = int(yes.sum()), int((~yes).sum())
    if not (with_it and without):
        return None
    above = rankdata(score)[yes].sum() - with_it * (with_it + 1) / 2
    return float(above / (with_it * without))


def dose_correlation(response: np.ndarray) -> np.ndarray:
    """Spearman's rho of rising doses and the response (d, n) to each -> (n,); 0 where the response does not move."""
    return _rank_correlations(np.arange(len(response)), response.T)
