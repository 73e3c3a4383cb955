"""Which of the moments at which dreams can begin lie shortly before a driver failed, and which after it."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from reverie.data.failures import failures

BEFORE = 20
"""A dream that is to show why a driver failed begins so many decisions before, at most."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Failures:
    """Moments to begin at more often: those shortly before a driver failed, and those after it."""

    before: float
    """Share of those before, of all moments that are drawn."""
    stuck: float
    """Share of those after."""
    got_on: np.ndarray
    """(d,) bool: the decisions of all episodes that got on, as the world understands it."""


def before_failures(got_on: np.ndarray, end: np.ndarray, offsets: np.ndarray, context: int) -> np.ndarray:
    """Which of the moments after `context` decisions of their episode lie within `BEFORE` decisions of the last one
    that got on before a failure: of all such moments, episode by episode, bool.

    `got_on` and `end` (d,) bool are of the decisions of all episodes, which begin at `offsets` (episodes + 1,).
    """
    return _about_failures(
        got_on, end, offsets, context, lambda decision, _: slice(max(0, decision + 1 - BEFORE), decision + 1)
    )


def after_failures(got_on: np.ndarray, end: np.ndarray, offsets: np.ndarray, context: int) -> np.ndarray:
    """Which of those moments (see `before_failures`) come after the last decision that got on before a failure, and
    before the next one that does."""
    return _about_failures(got_on, end, offsets, context, lambda decision, again: slice(decision + 2, again + 1))


def _about_failures(
    got_on: np.ndarray, end: np.ndarray, offsets: np.ndarray, context: int, where: Callable[[int, int], slice]
) -> np.ndarray:
    """Which of those moments are `where` it says: which observations of an episode, by the last decision that got on
    before a failure, and the next one that did (the number of decisions, where none did)."""
    found = []
    for first, last in pairwise(offsets.tolist()):
        num = last - first
        on = np.append(np.flatnonzero(got_on[first:last]), num)
        is_there = np.zeros(num + 1, bool)  # of observation i, after i decisions
        for decision in failures(got_on[first:last], put_out=bool(end[last - 1])):
            is_there[where(decision, on[on > decision][0])] = True
        found.append(is_there[max(context, 1) : -1])
    return np.concatenate(found)
