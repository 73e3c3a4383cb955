"""What can be done in a world: how C's outputs become an action, what M reads of it, and what the environment is given.

Shapes: b rows, o outputs of C, a numbers of an action as M reads it, k numbers of noise.

Everywhere in the package (in episodes, in M, in dreams) an action is a row of `a` numbers, as M reads it. Only the step
of an environment is given it in that environment's own terms (`to_env`). A spec is pure data and pure functions: it can
be hashed, pickled, and kept in a file (`as_json`).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Discriminator, TypeAdapter
from torch import Tensor

from reverie.errors import UserError
from reverie.types import Floats

if TYPE_CHECKING:
    from gymnasium.spaces import Space


class ActionSpec(ABC):
    """The contract of all kinds."""

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
    def num_noise(self) -> int:
        """Numbers of noise that `shaken` and `at_random` take, k."""
        return self.size

    @abstractmethod
    def from_outputs(self, outputs: Tensor) -> Tensor:
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

    def from_outputs(self, outputs: Tensor) -> Tensor:
        """(b, a): all of the way from bound to bound."""
        unit = torch.tanh(outputs)
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
        return self._read(_uniform(noise))

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


@dataclass(frozen=True, kw_only=True)
class SteerGasBrake(ActionSpec):
    """A car: steering in [-1, 1], gas and brake in [0, 1]. C has an output for each, as in the paper."""

    kind: Literal["steer_gas_brake"] = "steer_gas_brake"

    @property
    def bars(self) -> tuple[tuple[str, bool], ...]:
        """The wheel and both pedals."""
        return ("steer", True), ("gas", False), ("brake", False)

    @property
    def num_noise(self) -> int:
        """For the wheel, and for the pedals together."""
        return 2

    def from_outputs(self, outputs: Tensor) -> Tensor:
        """(b, 3): all of the pedals' way is that of gas, the upper half of it that of the brake."""
        x = torch.tanh(outputs)
        return torch.stack([x[:, 0], (x[:, 1] + 1) / 2, x[:, 2].clamp(min=0)], -1)

    def to_env(self, act: np.ndarray) -> np.ndarray:
        """The same numbers."""
        return np.asarray(act, np.float32)

    def from_env(self, given: np.ndarray) -> Floats:
        """The same numbers, within their bounds."""
        return given.astype(np.float32).reshape(len(given), 3).clip(*_CAR_BOUNDS)

    def space(self) -> "Space":
        """A Box."""
        from gymnasium.spaces import Box

        return Box(*_CAR_BOUNDS)

    def shaken(self, act: np.ndarray, noise: np.ndarray, scale: np.ndarray) -> Floats:  # noqa: ARG002
        """Noise on steering and on one pedal whose sign chooses gas or brake."""
        steer, gas, brake = act.T.astype(np.float64)
        both = np.minimum(gas, brake)  # a driver may press both pedals: that stays as it is
        pedal = np.clip(gas - brake + noise[:, 1], -1, 1)
        steer = np.clip(steer + noise[:, 0], -1, 1)
        pedals = np.minimum(both + np.maximum([pedal, -pedal], 0), 1)
        return np.stack([steer, *pedals], 1).astype(np.float32)

    def at_random(self, noise: np.ndarray) -> Floats:
        """Steering uniform, and one pedal."""
        steer, pedal = _uniform(noise).T
        return np.stack([steer, np.maximum(pedal, 0), np.maximum(-pedal, 0)], 1).astype(np.float32)

    def driven_by(self, how: str) -> ActionSpec:
        """`steer_gas_brake` or `steer_pedal`."""
        return SteerPedal() if how == "steer_pedal" else SteerGasBrake()


@dataclass(frozen=True, kw_only=True)
class SteerPedal(SteerGasBrake):
    """The same car, with two outputs of C: steering, and one pedal whose sign chooses gas or brake."""

    kind: Literal["steer_pedal"] = "steer_pedal"  # pyright: ignore[reportIncompatibleVariableOverride]

    @property
    def num_outputs(self) -> int:
        """Wheel and pedal."""
        return 2

    def from_outputs(self, outputs: Tensor) -> Tensor:
        """(b, 3)"""
        x = torch.tanh(outputs)
        return torch.stack([x[:, 0], x[:, 1].clamp(min=0), (-x[:, 1]).clamp(min=0)], -1)


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
    def num_noise(self) -> int:
        """Whether each choice is another than it was, and how much each category is liked."""
        return len(self.sizes) + self.size

    def from_outputs(self, outputs: Tensor) -> Tensor:
        """(b, a) one-hots. Where gradients flow, they pass as if softmax had chosen (straight through)."""
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


AnyActions = Annotated[BoxActions | SteerGasBrake | SteerPedal | Categories, Discriminator("kind")]
"""A spec in a file; `kind` says which."""
_CAR_BOUNDS = (np.array([-1, 0, 0], np.float32), np.array([1, 1, 1], np.float32))


def as_json(actions: ActionSpec) -> dict[str, Any]:
    """What JSON can hold of a spec."""
    return _adapter().dump_python(actions, mode="json")


def from_json(values: Any) -> ActionSpec:
    """The spec that `as_json` wrote. Raises pydantic's ValidationError where it is none."""
    return _adapter().validate_python(values)


@cache
def _adapter() -> TypeAdapter[Any]:
    return TypeAdapter(AnyActions)


def _uniform(noise: np.ndarray) -> np.ndarray:
    """Normal numbers, deviation 1 -> uniform in [-1, 1]."""
    return 2 * torch.special.ndtr(torch.from_numpy(noise)).numpy() - 1
