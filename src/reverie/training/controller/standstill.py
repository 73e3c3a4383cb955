"""Whether a learner of C came anywhere, by what it found on the way."""

from collections.abc import Sequence

import numpy as np

from reverie.measure.statistics import standard_error

ENOUGH = 10
"""Of fewer returns nothing is said."""


def standstill(returns: Sequence[float], *, is_alike: bool, began_at_zero: bool) -> str:
    """What says that the learner stood still, in words; empty where it came on, or it is too early to tell.

    `returns` are the means of what C, or its candidates, had on the way, in order; `is_alike` says that whatever was
    tried had the same. Only who `began_at_zero` must come on: who began at a C that drives may have begun at the best.
    """
    if not began_at_zero or len(returns) < ENOUGH:
        return ""
    if is_alike:
        return f"whatever was tried had the same return, {len(returns)} times over ({returns[-1]:.1f} at last)"
    early, *later = np.array_split(np.array(returns), 3)
    if any(_is_above(part, early) or _is_far_above(part, returns[0]) for part in later):
        return ""
    late = later[-1]
    return (
        f"its mean return was {late.mean():.1f} in the last third of {len(returns)}, and {early.mean():.1f} in the "
        f"first (standard error of the difference {_error(late, early):.1f})"
    )


def _is_above(late: np.ndarray, early: np.ndarray) -> bool:
    return late.mean() - early.mean() > _error(late, early)


def _error(late: np.ndarray, early: np.ndarray) -> float:
    """The standard error of the difference of their means."""
    return float(np.hypot(standard_error(late), standard_error(early)))


def _is_far_above(late: np.ndarray, first: float) -> bool:
    """Whether returns are where the first one can hardly have come from: a leap at the beginning is in the first third,
    whose mean has nearly all of it, and whose spread is the leap."""
    return late.mean() - first > 2 * late.std(ddof=1)
