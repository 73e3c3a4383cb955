"""One episode, as it was lived: t decisions and the t + 1 observations around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reverie.types import Floats, Frames


@dataclass(frozen=True, kw_only=True, eq=False)
class Episode:
    """Decision i saw `obs[i]`, took `act[i]`, and got `rew[i]` and `obs[i + 1]`.

    Raises ValueError where an array has the wrong shape or type, or holds NaN or infinities.
    """

    obs: Frames
    """Frames before each decision, and the one after the last: (t + 1, 64, 64, 3) uint8."""

    act: Floats
    """Actions as they were taken, (t, a) float32."""

    rew: Floats
    """Rewards, (t,) float32; with action repeat, the sum over the frames of a decision."""

    end: bool
    """The world ended it after the last decision (Gymnasium's `terminated`)."""

    trunc: bool
    """It was cut off after the last decision, by a time limit say (Gymnasium's `truncated`)."""

    def __post_init__(self) -> None:
        if self.act.ndim != 2 or self.act.dtype != np.float32 or len(self.act) == 0:
            raise ValueError(f"act must be (t, a) float32 with t > 0, not {self.act.shape} {self.act.dtype}")
        t = len(self.act)
        if self.obs.shape != (t + 1, 64, 64, 3) or self.obs.dtype != np.uint8:
            raise ValueError(f"obs must be ({t + 1}, 64, 64, 3) uint8, not {self.obs.shape} {self.obs.dtype}")
        if self.rew.shape != (t,) or self.rew.dtype != np.float32:
            raise ValueError(f"rew must be ({t},) float32, not {self.rew.shape} {self.rew.dtype}")
        for name, array in [("act", self.act), ("rew", self.rew)]:
            if not np.isfinite(array).all():
                raise ValueError(f"{name} {array.shape} holds NaN or infinities")

    def __len__(self) -> int:
        """The number of decisions, t."""
        return len(self.act)
