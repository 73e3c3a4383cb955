"""Where the dreams of a step begin: moments of the encoded episodes, a pure function of the step.

Only of episodes that M was fitted on: validation dreams begin in the others.

Shapes: b dreams, n moments of a bank.
"""

from collections.abc import Sequence

import numpy as np
import torch

from reverie.data.latents import LatentStore
from reverie.data.split import split
from reverie.devices import sent
from reverie.dream.moments import Moments, context_of, moments_at, numbers_in
from reverie.models.mdn_rnn import Memory
from reverie.seeding import generator

REDRAWN = 64
"""Steps for which a bank of moments serves."""
TIMES = 8
"""How often a moment of it is used in them, with other noise each time: M watches what came before only once."""
NEWEST = 0.25
"""Share of the moments that counts as the newest."""


class Starts:
    """Batches of moments, with the state that each of `memories` has there."""

    def __init__(
        self,
        memories: Sequence[Memory],
        latents: LatentStore,
        *,
        batch: int,
        newest: float,
        seed: int,
        action_repeat: int,
    ) -> None:
        """`newest`: share of the dreams that begin in the newest quarter of the driving."""
        self.memories, self.latents, self.batch_size, self.newest = memories, latents, batch, newest
        self.seed, self.action_repeat = seed, action_repeat
        self._context = context_of(latents)
        self._numbers = numbers_in(latents, self._context, split(latents.rounds).train)
        self._drawn = -1
        self._banks: list[Moments] = []

    def batch(self, step: int) -> list[Moments]:
        """The moments of training step `step`, as each memory knows them."""
        if self._drawn != step // REDRAWN:
            self._drawn = step // REDRAWN
            self._banks = self._draw(self._drawn)
        rng = generator(self.seed, "imagine", "starts", step)
        rows = torch.from_numpy(rng.integers(len(self._banks[0]), size=self.batch_size))
        rows = sent(rows, self.memories[0].device)
        return [bank.select(rows) for bank in self._banks]

    def _draw(self, number: int) -> list[Moments]:
        """A bank for each memory, of the same moments."""
        rng = generator(self.seed, "imagine", "bank", number)
        n, total = -(-self.batch_size * REDRAWN // TIMES), len(self._numbers)
        first = np.where(rng.random(n) < self.newest, int((1 - NEWEST) * total), 0)
        numbers = self._numbers[rng.integers(first, total)]
        return [
            moments_at(memory, self.latents, numbers, self._context, action_repeat=self.action_repeat)
            for memory in self.memories
        ]
