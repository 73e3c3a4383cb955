"""Tracks on which candidates did worst, to be driven again: a kind of prioritized level replay (Jiang et al. 2021,
arXiv 2010.03934).

A good driver fails on one track in ten, so that a few fresh tracks say little about how to fail less; those on which
others have failed say more.
"""

from collections.abc import Iterable, Mapping

import numpy as np

ROOM = 64
"""Tracks that are remembered."""


class HardTracks:
    """The tracks with the lowest mean return of the candidates who last drove them."""

    def __init__(self, means: Mapping[int, float] | None = None) -> None:
        self.means = dict(means or {})
        """Reset seed -> mean return."""

    def note(self, tracks: Iterable[int], returns: np.ndarray) -> None:
        """Remembers `tracks` (t,) by `returns` (n, t), NaN where one did not drive; forgets the easiest."""
        for track, ret in zip(tracks, np.nanmean(returns, 0), strict=True):
            self.means.pop(int(track), None)
            self.means[int(track)] = float(ret)
        self.means = dict(sorted(self.means.items(), key=lambda item: item[1])[:ROOM])

    def mixed(self, tracks: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
        """Fresh `tracks` (t,) with a share of them, those at the end, replaced by remembered ones, drawn evenly."""
        known = [track for track in self.means if track not in tracks]
        num = min(round(share * len(tracks)), len(known))
        again = rng.choice(known, num, replace=False) if num else []
        return np.concatenate([tracks[: len(tracks) - num], np.array(again, tracks.dtype)])
