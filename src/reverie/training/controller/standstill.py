"""Whether a learner of C came anywhere, by what it found on the way."""

from collections.abc import Sequence

import numpy as np

ENOUGH = 10
"""Of fewer returns nothing is said."""


def standstill(returns: Sequence[float], *, is_alike: bool, began_at_zero: bool) -> str:
    """What says that the learner stood still, in words; empty where it came on, or it is too early to tell.

    `returns` are the means of what C, or its candidates, had on the way, in order; `is_alike` says that whatever was
    tried had the same. Who `began_at_zero` must come on; who began at a C that drives may not find a better one.
    """
    if len(returns) < ENOUGH:
        return ""
    if is_alike:
        return f"whatever was tried had the same return, {len(returns)} times over ({returns[-1]:.1f} at last)"
    third = len(returns) // 3
    early, late = np.array(returns[:third]), np.array(returns[-third:])
    error = np.sqrt((early.var(ddof=1) + late.var(ddof=1)) / third)
    if not began_at_zero or late.mean() - early.mean() > error:
        return ""
    return (
        f"its mean return was {late.mean():.1f} in the last third of {len(returns)}, and "
        f"{early.mean():.1f} in the first (standard error of the difference {error:.1f})"
    )
