"""A step to the left, to the right, or none, by one number.

Shapes: b rows.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from reverie.actions.contract import ActionSpec, uniform
from reverie.errors import UserError
from reverie.types import Floats

if TYPE_CHECKING:
    from gymnasium.spaces import Space
    from torch import Tensor

THRESHOLD = 0.3333
"""C's output, squashed by tanh, means a step where it is further from 0 (the paper's code, doomrnn/doomreal.py)."""


@dataclass(frozen=True, kw_only=True)
class Sidestep(ActionSpec):
    """One of three categories, left, stay and right, by a single output of C, as in the paper. M reads -1, 0 or 1: what
    was done, where the paper's M reads the number itself."""

    left: int
    stay: int
    right: int
    """The numbers of the categories in the environment's terms: 0, 1 and 2 in some order."""
    kind: Literal["sidestep"] = "sidestep"

    @property
    def bars(self) -> tuple[tuple[str, bool], ...]:
        """From left to right."""
        return (("step", True),)

    def from_outputs(self, outputs: "Tensor") -> "Tensor":
        """(b, 1). Where gradients flow, they pass as if the number itself were the action (straight through)."""
        unit = outputs.tanh()
        step = (unit > THRESHOLD).to(unit.dtype) - (unit < -THRESHOLD).to(unit.dtype)
        return step + (unit - unit.detach()) if unit.requires_grad else step

    def to_env(self, act: np.ndarray) -> list[Any]:
        """Whole numbers."""
        categories = np.array([self.left, self.stay, self.right])
        return categories[_steps(act[:, 0]).astype(np.int64) + 1].tolist()

    def from_env(self, given: np.ndarray) -> Floats:
        """Whole numbers -> (b, 1). Raises UserError for one that is no category."""
        found = given.reshape(len(given), 1)
        known = (self.left, self.stay, self.right)
        if (wrong := ~np.isin(found, known)).any():
            raise UserError(f"action {found[wrong][0]} is none of {min(known)} to {max(known)}")
        return ((found == self.right).astype(np.float32) - (found == self.left)).astype(np.float32)

    def space(self) -> "Space":
        """Discrete."""
        from gymnasium.spaces import Discrete

        return Discrete(3)

    def shaken(self, act: np.ndarray, noise: np.ndarray, scale: np.ndarray) -> Floats:  # noqa: ARG002
        """Noise on the number."""
        return _steps(act + noise)

    def at_random(self, noise: np.ndarray) -> Floats:
        """A third each."""
        return _steps(uniform(noise))


def _steps(numbers: np.ndarray) -> Floats:
    """Any numbers -> -1, 0 or 1."""
    return ((numbers > THRESHOLD).astype(np.float32) - (numbers < -THRESHOLD)).astype(np.float32)
