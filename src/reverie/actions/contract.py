"""The contract of all kinds of actions.

Shapes: b rows, o outputs of C, a numbers of an action as M reads it, k numbers of noise.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reverie.types import Floats

if TYPE_CHECKING:
    from gymnasium.spaces import Space
    from torch import Tensor


class ActionSpec(ABC):
    """What can be done in a world."""

    @property
    @abstractmethod
    def bars(self) -> tuple[tuple[str, bool], ...]:
        """How to show an action: of each of its numbers the name, and whether it goes from -1 to 1 or from 0 to 1."""

    @property
    def size(self) -> int:
        """Numbers of an action as M reads it, a."""
        return len(self.bars)

    @property
    def num_outputs(self) -> int:
        """Outputs that C needs, o."""
        return self.size

    @property
    def choices(self) -> tuple[int, ...]:
        """Categories of each choice, where the greatest of so many outputs in a row is chosen; () where every output is
        a number that is squashed by tanh."""
        return ()

    @property
    def num_noise(self) -> int:
        """Numbers of noise that `shaken` and `at_random` take, k."""
        return self.size

    @abstractmethod
    def from_outputs(self, outputs: "Tensor") -> "Tensor":
        """Outputs of C (b, o), any numbers -> actions (b, a)."""

    @abstractmethod
    def to_env(self, act: np.ndarray) -> Sequence[Any] | np.ndarray:
        """Actions (b, a) -> what the environment's step is given, row by row."""

    @abstractmethod
    def from_env(self, given: np.ndarray) -> Floats:
        """What an environment's step would be given (b, ...) -> actions (b, a) float32; clipped to the bounds."""

    @abstractmethod
    def space(self) -> "Space":
        """The action space of the environment."""

    @abstractmethod
    def shaken(self, act: np.ndarray, noise: np.ndarray, scale: np.ndarray) -> Floats:
        """Actions (b, a) of a driver whose hands shake: `noise` (b, k) is normal, its deviation `scale` (b, 1)."""

    @abstractmethod
    def at_random(self, noise: np.ndarray) -> Floats:
        """Actions (b, a) of which each is as likely as another where `noise` (b, k) is normal with deviation 1."""

    def driven_by(self, how: str) -> "ActionSpec":  # noqa: ARG002 (most worlds know one way only)
        """The same for a C whose recipe says how its outputs become an action."""
        return self


def uniform(noise: np.ndarray) -> np.ndarray:
    """Normal numbers, deviation 1 -> uniform in [-1, 1]."""
    import torch  # late: an environment alone does not need it

    return 2 * torch.special.ndtr(torch.from_numpy(noise)).numpy() - 1
