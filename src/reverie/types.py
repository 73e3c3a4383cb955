"""The vocabulary that every module shares.

Shape letters, as they stand in shapes, unpackings and docstrings:

    b   batch: episodes, windows or frames that are handled side by side
    t   time: decisions of one episode or window; observations are t + 1, for the last one is kept too
    c   channels of a picture, 3 (red, green, blue)
    h w height and width of a picture in pixels, 64 x 64 (elsewhere, h is the memory's hidden state)
    z   size of the latent vector that V makes of one frame
    a   size of one action
    k   number of Gaussians in the memory's mixture

Frames are (h, w, c) uint8 on disk and on their way from the environment, (c, h, w) float32 in [0, 1] inside V.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

LossAndMetrics: TypeAlias = "tuple[Tensor, dict[str, Tensor]]"
"""What `model.loss(batch)` returns: a scalar to differentiate, and detached scalars to log."""

Frames: TypeAlias = npt.NDArray[np.uint8]
"""Frames, (..., h, w, c) uint8."""

Floats: TypeAlias = npt.NDArray[np.float32]
"""Any float32 array: actions (t, a), rewards (t,), latents (..., z)."""
