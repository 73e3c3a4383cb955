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

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt, Le

if TYPE_CHECKING:
    from torch import Tensor

Device: TypeAlias = Literal["auto", "cpu", "cuda", "mps"]
"""Where V, M and dreams are computed; `auto` is what there is (see `devices.chosen_device`)."""

LossAndMetrics: TypeAlias = "tuple[Tensor, dict[str, Tensor]]"
"""What `model.loss(batch)` returns: a scalar to differentiate, and scalars to log."""

Positive: TypeAlias = Annotated[int, Gt(0), Le(10**9)]
NotNegative: TypeAlias = Annotated[int, Ge(0), Le(10**9)]
Width: TypeAlias = Annotated[int, Gt(0), Le(4096)]
"""Units, channels or features of a layer: 4,096 are 70 million weights from one such layer to the next."""
Factor: TypeAlias = Annotated[float, Ge(0), Le(1e9)]
"""Of a loss. Like every number that a user gives, it has bounds on both sides, so that it is finite."""

Frames: TypeAlias = npt.NDArray[np.uint8]
"""Frames, (..., h, w, c) uint8."""

Floats: TypeAlias = npt.NDArray[np.float32]
"""Any float32 array: actions (t, a), rewards (t,), latents (..., z)."""


Numbers = TypeVar("Numbers", np.ndarray, "Tensor")


@dataclass(frozen=True, kw_only=True)
class LargestReturn:
    """The most that an episode can have earned after some frames."""

    total: float
    """All there is to earn."""
    frame_cost: float
    """What each frame costs for certain."""

    def after(self, frames: Numbers) -> Numbers:
        """The bound after so many frames, of any shape."""
        return self.total - self.frame_cost * frames


@dataclass(frozen=True, kw_only=True, eq=False)
class SequenceBatch:
    """Windows of encoded episodes, float32. Where an episode was over, everything is 0."""

    z: Tensor
    """Latents before each decision and after the last, drawn anew for this batch: (b, t + 1, z)."""

    act: Tensor
    """Actions, (b, t, a): `act[:, i]` was taken at `z[:, i]` and led to `z[:, i + 1]`."""

    rew: Tensor
    """Rewards for the actions, (b, t)."""

    prev_rew: Tensor
    """Rewards that came together with `z[:, i]`, (b, t); 0 at an episode's start."""

    end: Tensor
    """1 where the decision ended the episode, (b, t)."""

    mask: Tensor
    """1 where there was a decision that is to be learned, (b, t)."""

    def each(self, change: Callable[[Tensor], Tensor]) -> SequenceBatch:
        """The same batch with each of its tensors changed so."""
        return SequenceBatch(**{f.name: change(getattr(self, f.name)) for f in fields(self)})
