"""Choices among categories.

Shapes: b rows, a categories of all choices together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from reverie.actions.contract import ActionSpec
from reverie.errors import UserError
from reverie.types import Floats

if TYPE_CHECKING:
    from gymnasium.spaces import Space
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Categories(ActionSpec):
    """One choice among several, or a few such choices at once. M reads a one-hot of each, one after the other; C has an
    output for each category, and the greatest is chosen."""

    sizes: tuple[int, ...]
    """Categories of each choice; a is their sum."""
    first: tuple[int, ...]
    """The number of each choice's first category in the environment's terms, mostly 0."""
    shape: tuple[int, ...] = ()
    """Of an action in the environment's terms: () for a single whole number (Discrete)."""
    kind: Literal["categories"] = "categories"

    @property
    def bars(self) -> tuple[tuple[str, bool], ...]:
        """0 or 1 for each category."""
        one = len(self.sizes) == 1
        return tuple(
            (f"{first + j}" if one else f"{i}: {first + j}", False)
            for i, (n, first) in enumerate(zip(self.sizes, self.first, strict=True))
            for j in range(n)
        )

    @property
    def choices(self) -> tuple[int, ...]:
        """As `sizes` says."""
        return self.sizes

    @property
    def num_noise(self) -> int:
        """Whether each choice is another than it was, and how much each category is liked."""
        return len(self.sizes) + self.size

    def from_outputs(self, outputs: "Tensor") -> "Tensor":
        """(b, a) one-hots. Where gradients flow, they pass as if softmax had chosen (straight through)."""
        import torch  # late: an environment alone does not need it

        parts = []
        for part in outputs.split(list(self.sizes), -1):
            hot = torch.zeros_like(part).scatter(-1, part.argmax(-1, keepdim=True), 1.0)
            if part.requires_grad:
                soft = part.softmax(-1)
                hot = hot + (soft - soft.detach())
            parts.append(hot)
        return torch.cat(parts, -1)

    def to_env(self, act: np.ndarray) -> Sequence[Any] | np.ndarray:
        """Whole numbers, of shape (b, *shape)."""
        chosen = self._chosen(act) + np.array(self.first)
        return chosen.reshape(len(act), *self.shape) if self.shape else chosen[:, 0].tolist()

    def from_env(self, given: np.ndarray) -> Floats:
        """Whole numbers -> one-hots. Raises UserError for one that is no category."""
        index = given.reshape(len(given), len(self.sizes)) - np.array(self.first)
        wrong = (index < 0) | (index >= np.array(self.sizes)) | (index != index.astype(np.int64))
        if wrong.any():
            at = np.argwhere(wrong)[0][1]
            raise UserError(
                f"action {given.reshape(index.shape)[wrong][0]} is none of "
                f"{self.first[at]} to {self.first[at] + self.sizes[at] - 1}"
            )
        return self._hot(index.astype(np.int64))

    def space(self) -> "Space":
        """Discrete or MultiDiscrete."""
        from gymnasium.spaces import Discrete, MultiDiscrete

        if not self.shape:
            return Discrete(self.sizes[0], start=self.first[0])
        sizes, first = (np.array(numbers, np.int64).reshape(self.shape) for numbers in (self.sizes, self.first))
        return MultiDiscrete(sizes, start=first)

    def shaken(self, act: np.ndarray, noise: np.ndarray, scale: np.ndarray) -> Floats:
        """With a chance of `scale`, another category, each as likely as the next."""
        chance = np.clip(scale[:, 0], 1e-12, 1 - 1e-12)
        normal = NormalDist()
        below = np.array([normal.inv_cdf(p) for p in chance])[:, None] * scale
        n = len(self.sizes)
        other, liking = (noise[:, :n] < below) & (scale > 0), noise[:, n:].copy()
        liking[act > 0.5] = -np.inf
        changed = np.where(other, self._chosen(liking), self._chosen(act))
        return self._hot(np.where(np.array(self.sizes) > 1, changed, 0))

    def at_random(self, noise: np.ndarray) -> Floats:
        """Each category as likely as another."""
        return self._hot(self._chosen(noise[:, len(self.sizes) :]))

    def _chosen(self, act: np.ndarray) -> np.ndarray:
        """(b, a) -> index of the greatest of each choice, (b, choices)."""
        parts = np.split(act, np.cumsum(self.sizes)[:-1], -1)
        return np.stack([part.argmax(-1) for part in parts], -1)

    def _hot(self, index: np.ndarray) -> Floats:
        """(b, choices) -> one-hots (b, a)."""
        parts = [np.eye(n, dtype=np.float32)[index[:, i]] for i, n in enumerate(self.sizes)]
        return np.concatenate(parts, -1)
