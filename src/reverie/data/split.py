"""Which episodes V and M are fitted on, and which are held out: the last ones of each round of collecting."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

HELD_OUT = 0.05
"""Share of the episodes of a round, the last ones, that V and M are not fitted on."""


class Split(NamedTuple):
    """Numbers of episodes, rising."""

    train: np.ndarray
    held_out: np.ndarray
    """Empty where a single episode is all there is."""


def split(rounds: Sequence[int]) -> Split:
    """Of so many episodes of each round, which follow each other: one number where a run has no rounds."""
    train, held_out, first = list[int](), list[int](), 0
    for num in rounds:
        kept = num - int(np.ceil(HELD_OUT * num)) if num > 1 else num
        train += range(first, first + kept)
        held_out += range(first + kept, first + num)
        first += num
    return Split(np.array(train, np.int64), np.array(held_out, np.int64))
