"""The contract of a batch of environments that the caller steps row by row or all together.

Shapes: n = number of rows in this call, a = numbers of an action, as M reads it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from reverie.envs.spec import EnvSpec


class Start(NamedTuple):
    """Where on its track a car starts, at rest: for training data only, since scores are of the usual start."""

    fraction: float
    """Of the lap, from 0 to 1."""
    offset: float
    """From the middle of the road, to the right positive, in world units; the road ends at 6.67."""
    heading: float
    """Angle against the road, to the left positive, in rad."""


class Transition(NamedTuple):
    """The outcome of one decision in n rows. The arrays belong to the caller: no later call writes into them."""

    obs: NDArray[np.uint8]
    """(n, 64, 64, 3) the last frame of the decision."""
    rew: NDArray[np.float64]
    """(n,) summed over the frames of the decision."""
    end: NDArray[np.bool_]
    """(n,) terminated: the task is over."""
    trunc: NDArray[np.bool_]
    """(n,) truncated: the time limit was reached."""
    frames: NDArray[np.int64]
    """(n,) simulator frames that this decision used, at most `action_repeat`."""


class VectorEnv(Protocol):
    """A batch of independent environments. A row's future depends on its seed and its actions alone."""

    num_envs: int
    spec: "EnvSpec"
    """Of their world."""

    def reset(self, rows: ArrayLike, seeds: ArrayLike, starts: Sequence[Start] | None = None) -> NDArray[np.uint8]:
        """Start an episode in each of `rows`, as Gymnasium's `reset(seed=...)` does; returns obs (n, 64, 64, 3).

        `starts` (n) puts the cars elsewhere than on the starting line. Raises UserError where that is not possible.
        """
        ...

    def step(self, rows: ArrayLike, act: NDArray[np.float32]) -> Transition:
        """One decision in each of `rows` with `act` (n, a). Stepping a row that has ended raises RuntimeError."""
        ...

    def close(self) -> None:
        """Release what the environments hold."""
        ...
