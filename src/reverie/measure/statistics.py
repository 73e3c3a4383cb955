"""Means and how far to trust them."""

import numpy as np


def confidence_interval(values: np.ndarray) -> tuple[float, float] | None:
    """95% interval of the mean of `values` (n,), by Student's t; None where n = 1, since from one nothing follows."""
    from scipy.stats import t

    if len(values) < 2:
        return None
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)
