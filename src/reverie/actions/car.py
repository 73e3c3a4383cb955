"""A car, by three outputs of C or by two.

Shapes: b rows.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from reverie.actions.contract import ActionSpec, uniform
from reverie.types import Floats

if TYPE_CHECKING:
    from gymnasium.spaces import Space
    from torch import Tensor

_BOUNDS = (np.array([-1, 0, 0], np.float32), np.array([1, 1, 1], np.float32))


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

    def from_outputs(self, outputs: "Tensor") -> "Tensor":
        """(b, 3): all of the pedals' way is that of gas, the upper half of it that of the brake."""
        import torch  # late: an environment alone does not need it

        x = outputs.tanh()
        return torch.stack([x[:, 0], (x[:, 1] + 1) / 2, x[:, 2].clamp(min=0)], -1)

    def to_env(self, act: np.ndarray) -> np.ndarray:
        """The same numbers."""
        return np.asarray(act, np.float32)

    def from_env(self, given: np.ndarray) -> Floats:
        """The same numbers, within their bounds."""
        return given.astype(np.float32).reshape(len(given), 3).clip(*_BOUNDS)

    def space(self) -> "Space":
        """A Box."""
        from gymnasium.spaces import Box

        return Box(*_BOUNDS)

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
        steer, pedal = uniform(noise).T
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

    def from_outputs(self, outputs: "Tensor") -> "Tensor":
        """(b, 3)"""
        import torch  # late: an environment alone does not need it

        x = outputs.tanh()
        return torch.stack([x[:, 0], x[:, 1].clamp(min=0), (-x[:, 1]).clamp(min=0)], -1)
