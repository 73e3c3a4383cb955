"""The contract of a world to search in, so that one search goes on the road and in dreams alike.

Shapes: n controllers, t tracks, p parameters of C.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from reverie.rollout import Outcome
from reverie.run.folder import RunFolder


class SearchWorld(Protocol):
    """Lets controllers of one shape drive: on the road (`Rollouts`), or in dreams of it (`DreamRollouts`)."""

    run: RunFolder
    made_with: dict[str, str]
    """Says in a controller's file which V and M it was made for."""

    def outcomes(
        self,
        params: np.ndarray,
        tracks: np.ndarray,
        *,
        stall_decisions: int | None = None,
        max_decisions: int | None = None,
    ) -> list[Outcome]:
        """Lets each of `params` (n, p) drive its own `tracks` (n, t): outcomes controller by controller."""
        ...

    def validated(self, params: np.ndarray, tracks: np.ndarray) -> list[Outcome]:
        """The same on validation tracks, to the end, and as those see it whose word counts there."""
        ...

    @property
    def watched(self) -> tuple[str, ...]:
        """What is to be looked at beside an evaluation, and decides nothing: columns of the log."""
        ...

    def watch(self, params: np.ndarray, tracks: np.ndarray) -> dict[str, list[Outcome]]:
        """The episodes whose mean return is to stand in each of those columns."""
        ...

    def columns(self, outcomes: Sequence[Outcome]) -> dict[str, int]:
        """What episodes cost, and how they were: columns of the log."""
        ...
