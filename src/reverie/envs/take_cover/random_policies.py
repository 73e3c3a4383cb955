"""Take Cover's random player.

Shapes: b rows, a action. Each row draws from its own generator, so that an episode does not depend on which others run
beside it.
"""

from collections.abc import Sequence

import numpy as np

from reverie.seeding import generator


class HeldPolicy:
    """Left, stay or right, a third each, held for 1 to `hold` decisions (the paper's code, doomrnn/extract.py, with 10
    of a tic each)."""

    def __init__(self, hold: int, push: int, seed: int) -> None:  # noqa: ARG002 (there is nothing to push against)
        self.hold, self.seed = hold, seed

    def reset(self, seeds: Sequence[int]) -> None:
        """A generator for each row."""
        self._rngs = [generator(self.seed, "held", s) for s in seeds]
        self._act = np.zeros((len(seeds), 1), np.float32)
        self._left = np.zeros(len(seeds), np.int64)
        """Decisions for which each row's action is still held."""

    def act(self, obs: np.ndarray, prev_rew: np.ndarray) -> np.ndarray:  # noqa: ARG002 (a random player is blind)
        """Actions (b, a)."""
        for row in np.flatnonzero(self._left == 0):
            self._act[row] = self._rngs[row].integers(-1, 2)
            self._left[row] = self._rngs[row].integers(1, self.hold + 1)
        self._left -= 1
        return self._act.copy()

    def keep(self, mask: np.ndarray) -> None:
        """Drops the rows that ended."""
        self._rngs = [rng for rng, kept in zip(self._rngs, mask, strict=True) if kept]
        self._act, self._left = self._act[mask], self._left[mask]
