"""C: a linear map from [z, h] to an action (World Models, section 2.4), for many candidates at once.

Shapes: b rows of a batch, p parameters, i inputs (z, h, c), o outputs, a action.
The parameters are one flat vector, because evolution strategies work on vectors.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from reverie.models.mdn_rnn import MemoryState
from reverie.types import NotNegative


@dataclass(frozen=True, kw_only=True)
class ControllerConfig:
    """What C reads, its hidden layer and how its outputs become an action."""

    inputs: Literal["zh", "z", "zhc"] = "zh"
    """The latent and M's hidden state, the latent alone (the paper's ablation), or the cell state too."""
    hidden_size: NotNegative = 0
    """Units of a tanh layer between inputs and outputs (the paper's ablation has 40); 0 for a linear controller."""
    action: Literal["steer_gas_brake", "steer_pedal"] = "steer_gas_brake"
    """Three outputs as in the paper, or steering and one pedal whose sign chooses gas or brake."""


_NUM_OUTPUTS = {"steer_gas_brake": 3, "steer_pedal": 2}


class Controller:
    """The fixed shape of C; parameters are given with each call."""

    def __init__(self, config: ControllerConfig, z_size: int, h_size: int) -> None:
        self.config = config
        self.z_size, self.h_size = z_size, h_size
        self.num_inputs = z_size + h_size * (len(config.inputs) - 1)
        widths = [self.num_inputs, config.hidden_size, _NUM_OUTPUTS[config.action]]
        self.layers = [w for w in widths if w]
        self.num_params = sum((i + 1) * o for i, o in zip(self.layers[:-1], self.layers[1:], strict=True))

    def inputs(self, z: Tensor, state: MemoryState) -> Tensor:
        """What C reads (b, i): of M's state, the last layer's."""
        parts = {"z": z, "h": state.top, "c": state.c[:, -1]}
        return torch.cat([parts[name] for name in self.config.inputs], -1)

    def act(self, params: Tensor, z: Tensor, state: MemoryState) -> Tensor:
        """Actions (b, 3) of CarRacing: steering in [-1, 1], gas and brake in [0, 1].

        `params` (b, p) holds each row's own controller, z is (b, z).
        """
        b, p = params.shape
        assert p == self.num_params, f"params must be (b, {self.num_params}), not {tuple(params.shape)}"
        x, start = self.inputs(z, state), 0
        for i, o in zip(self.layers[:-1], self.layers[1:], strict=True):
            weight = params[:, start : start + i * o].view(b, o, i)
            bias = params[:, start + i * o : start + (i + 1) * o]
            x = torch.tanh(torch.baddbmm(bias.unsqueeze(-1), weight, x.unsqueeze(-1)).squeeze(-1))
            start += (i + 1) * o
        return _to_action(x, self.config.action)


def _to_action(x: Tensor, action: str) -> Tensor:
    """Outputs in [-1, 1] (b, o) -> (steer, gas, brake) (b, 3)."""
    if action == "steer_gas_brake":
        return torch.stack([x[:, 0], (x[:, 1] + 1) / 2, x[:, 2].clamp(min=0)], -1)
    return torch.stack([x[:, 0], x[:, 1].clamp(min=0), (-x[:, 1]).clamp(min=0)], -1)
