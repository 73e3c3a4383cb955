"""Frames, where the device that learns from them has them at hand.

Shapes: n frames of (64, 64, 3) uint8, b of them.
"""

import numpy as np
import torch
from torch import Tensor

from reverie.devices import free_bytes, sent
from reverie.types import Frames

SHARE = 0.5
"""Of the memory that a device has left, which frames may take: the rest is for what learns from them."""
PIECE = 4096
"""Frames that are sent at once."""


class PlacedFrames:
    """Frames (n, 64, 64, 3) for a device: where they fit, they lie there as a whole, and batches are taken from them
    without the CPU; else each batch is sent there."""

    def __init__(self, frames: Frames, device: torch.device) -> None:
        self._frames, self._device = frames, device
        self._there: Tensor | None = None
        if frames.nbytes <= SHARE * free_bytes(device):
            self._there = torch.empty(frames.shape, dtype=torch.uint8, device=device)
            for i in range(0, len(frames), PIECE):
                self._there[i : i + PIECE] = sent(torch.from_numpy(np.array(frames[i : i + PIECE])), device)

    @property
    def are_there(self) -> bool:
        """Whether all of them lie on the device."""
        return self._there is not None

    def take(self, numbers: np.ndarray) -> Tensor:
        """A copy of those with the `numbers` (b,), on the device: (b, 64, 64, 3) uint8."""
        if self._there is None:
            return sent(torch.from_numpy(np.asarray(self._frames[numbers])), self._device)
        return self._there[sent(torch.from_numpy(numbers), self._device)]
