"""Numbers between bounds.

Shapes: b rows, a numbers of an action.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from reverie.actions.contract import ActionSpec, uniform
from reverie.types import Floats

if TYPE_CHECKING:
    from gymnasium.spaces import Space
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class BoxActions(ActionSpec):
    """Numbers between bounds, and an output of C for each. M reads them scaled to [-1, 1], whatever the bounds."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    """(a,) bounds, in the environment's terms."""
    shape: tuple[int, ...] = (-1,)
    """Of an action in the environment's terms; (-1,) for a plain vector."""
    dtype: Literal["float16", "float32", "float64"] = "float32"
    """Of the environment."""
    scaled: bool = True
    """False where M reads the environment's own numbers, as it did in files of earlier versions."""
    kind: Literal["box"] = "box"

    @property
    def bars(self) -> tuple[tuple[str, bool], ...]:
        """From bound to bound."""
        return tuple((f"action {i}", True) for i in range(len(self.low)))

    def from_outputs(self, outputs: "Tensor") -> "Tensor":
        """(b, a): all of the way from bound to bound."""
        unit = outputs.tanh()
        if self.scaled:
            return unit
        low, high = unit.new_tensor(self.low), unit.new_tensor(self.high)
        return low + (unit + 1) / 2 * (high - low)

    def to_env(self, act: np.ndarray) -> np.ndarray:
        """(b, *shape), within the bounds."""
        return self._of_units(self._units(act)).astype(self.dtype).reshape(len(act), *self.shape)

    def from_env(self, given: np.ndarray) -> Floats:
        """(b, *shape) -> (b, a)."""
        low, high = self._bounds
        given = given.reshape(len(given), self.size).astype(np.float64).clip(low, high)
        if self.scaled:
            given = 2 * (given - low) / np.where(high > low, high - low, 1) - 1
        return given.astype(np.float32)

    def space(self) -> "Space":
        """A Box."""
        from gymnasium.spaces import Box

        low, high = (bound.astype(self.dtype).reshape(self.shape) for bound in self._bounds)
        return Box(low, high, dtype=np.dtype(self.dtype).type)

    def shaken(self, act: np.ndarray, noise: np.ndarray, scale: np.ndarray) -> Floats:  # noqa: ARG002
        """Noise on every number, in half widths of its range."""
        return self._read(self._units(act) + noise)

    def at_random(self, noise: np.ndarray) -> Floats:
        """Each number uniform within its bounds."""
        return self._read(uniform(noise))

    @property
    def _bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array(self.low), np.array(self.high)

    def _units(self, act: np.ndarray) -> np.ndarray:
        """Actions as M reads them -> in [-1, 1]."""
        low, high = self._bounds
        act = act.astype(np.float64)
        return act if self.scaled else 2 * (act - low) / np.where(high > low, high - low, 1) - 1

    def _of_units(self, unit: np.ndarray) -> np.ndarray:
        """In [-1, 1] -> in the environment's terms, both (b, a)."""
        low, high = self._bounds
        return (low + (unit.clip(-1, 1) + 1) / 2 * (high - low)).clip(low, high)

    def _read(self, unit: np.ndarray) -> Floats:
        """In [-1, 1] -> as M reads them."""
        return (unit.clip(-1, 1) if self.scaled else self._of_units(unit)).astype(np.float32)
