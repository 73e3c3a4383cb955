"""Means, rates and rank correlations, and how far to trust them.

Shapes: n values, m things of which k and l repetitions were measured, d doses.
"""

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
    from scipy.stats import t

    if len(values) < 2:
        return None
    half = t.ppf(0.975, len(values) - 1) * standard_error(values)
    return float(values.mean() - half), float(values.mean() + half)


def wilson_interval(rate: float | None, num: int) -> tuple[float, float] | None:
    """95% interval of a rate among `num` independent observations (Wilson 1927)."""
    if rate is None or not num:
        return None
    q = 1.959964**2 / num
    centre, half = (rate + q / 2) / (1 + q), np.sqrt(q * rate * (1 - rate) + q * q / 4) / (1 + q)
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Rank correlation of x (m,) and y (m,); 0 where one of them tells none apart."""
    from scipy.stats import rankdata

    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(x), rankdata(y))[0, 1])


def spearman_interval(x: np.ndarray, y: np.ndarray, seed: int) -> tuple[float, float]:
    """95% interval of the rank correlation of the means of x (m, k) and y (m, l), by a bootstrap that draws things, and
    of all of them repetitions."""
    rng, m = generator(seed, "bootstrap"), len(x)
    found = []
    for _ in range(BOOTSTRAPS):
        rows = rng.integers(m, size=m)
        of_x = rng.integers(x.shape[1], size=x.shape[1])
        of_y = rng.integers(y.shape[1], size=y.shape[1])
        found.append(spearman(x[rows][:, of_x].mean(1), y[rows][:, of_y].mean(1)))
    low, high = np.percentile(found, [2.5, 97.5])
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
    from scipy.stats import rankdata

    doses = np.arange(len(response)) - (len(response) - 1) / 2
    ranks = rankdata(response, axis=0) - (len(response) + 1) / 2
    return doses @ ranks / np.maximum(np.sqrt((doses**2).sum() * (ranks**2).sum(0)), 1e-12)
