"""C: a linear map from [z, h] to an action (World Models, section 2.4), for many candidates at once.

Shapes: b rows of a batch, p parameters, i inputs (z, h, c), o outputs, a action.
The parameters are one flat vector, because evolution strategies work on vectors.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor
from torch.nn import functional

from reverie.actions import ActionSpec, SteerGasBrake
from reverie.models.mdn_rnn import MemoryState


@dataclass(frozen=True, kw_only=True)
class ControllerConfig:
    """What C reads, its hidden layer and how its outputs become an action."""

    inputs: Literal["zh", "z", "zhc"] = "zh"
    """The latent and M's hidden state, the latent alone (the paper's ablation), or the cell state too."""
    hidden_size: Annotated[int, Ge(0), Le(4096)] = 0
    """Units of a tanh layer between inputs and outputs (the paper's ablation has 40); 0 for a linear controller."""
    bias: bool = True
    """Whether each layer adds a bias (the paper's C of Take Cover has none)."""
    action: Literal["steer_gas_brake", "steer_pedal"] = "steer_gas_brake"
    """How a car is driven: three outputs as in the paper, or steering and one pedal whose sign chooses gas or brake.
    Other worlds have one way to act, and this says nothing there."""


class Controller:
    """The fixed shape of C; parameters are given with each call."""

    def __init__(
        self,
        config: ControllerConfig,
        z_size: int,
        h_size: int,
        actions: ActionSpec = SteerGasBrake(),  # noqa: B008
    ) -> None:
        """`actions`: what can be done in the world."""
        self.config, self.actions = config, actions.driven_by(config.action)
        self.z_size, self.h_size = z_size, h_size
        self.num_inputs = z_size + h_size * (len(config.inputs) - 1)
        widths = [self.num_inputs, config.hidden_size, self.actions.num_outputs]
        self.layers = [w for w in widths if w]
        self.num_params = sum((i + config.bias) * o for i, o in zip(self.layers[:-1], self.layers[1:], strict=True))

    def inputs(self, z: Tensor, state: MemoryState) -> Tensor:
        """What C reads (b, i): of M's state, the last layer's."""
        parts = {"z": z, "h": state.top, "c": state.c[:, -1]}
        return torch.cat([parts[name] for name in self.config.inputs], -1)

    def outputs(self, params: Tensor, z: Tensor, state: MemoryState) -> Tensor:
        """Outputs (b, o), of which `ActionSpec.from_outputs` makes an action.

        `params` (b, p) holds each row's own controller, or (p,) one for all; z is (b, z).
        """
        x, start = self.inputs(z, state), 0
        for layer, (i, o) in enumerate(zip(self.layers[:-1], self.layers[1:], strict=True)):
            weight = params[..., start : start + i * o].unflatten(-1, (o, i))
            start += i * o
            bias = params[..., start : start + o] if self.config.bias else params.new_zeros(*params.shape[:-1], o)
            start += self.config.bias * o
            x = torch.tanh(x) if layer else x
            if params.dim() == 1:
                x = functional.linear(x, weight, bias)
            else:
                x = torch.baddbmm(bias.unsqueeze(-1), weight, x.unsqueeze(-1)).squeeze(-1)
        return x

    def act(self, params: Tensor, z: Tensor, state: MemoryState) -> Tensor:
        """Actions (b, a), as M reads them.

        `params` (b, p) holds each row's own controller, z is (b, z).
        """
        _, p = params.shape
        assert p == self.num_params, f"params must be (b, {self.num_params}), not {tuple(params.shape)}"
        return self.actions.from_outputs(self.outputs(params, z, state))
