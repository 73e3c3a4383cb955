"""The reward that M expects: how its head is fitted, read, and fed back.

Shapes: `...` any leading dimensions, o outputs of the head, n bins.

CarRacing's rewards are spikes: a tile of road gives 3 to 4, a frame costs 0.1, and leaving the field costs 100. A
squared error of such a target is ruled by the spikes; a two-hot target is a question of how likely each spike is.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn
from torch.nn import functional

from reverie.models.two_hot import cross_entropy, expected, symexp_bins
from reverie.types import Factor

SYMLOG_LIMIT = 5.0
"""Bins reach from -147 to 147 (symexp of it), so that CarRacing's -100 is within."""


@dataclass(frozen=True, kw_only=True)
class RewardConfig:
    """What M expects of rewards."""

    head: Literal["none", "sign", "value", "two_hot", "constant"] = "value"
    """Nothing (paper), the logit of a positive reward (seed), the reward itself, the chance of each size of it, or that
    every decision is worth `scale`, where there is nothing to learn (survival)."""
    scale: Annotated[float, Ge(1e-6), Le(1e6)] = 1.0
    """Rewards are divided by this before M sees or predicts them. A recipe that does not say it gets its world's own:
    10 in CarRacing, 1 in worlds that nobody knows."""
    weight: Factor = 1.0
    """Factor of the reward's loss."""
    num_bins: Annotated[int, Ge(2), Le(1024)] = 41
    """Sizes of reward that `two_hot` tells apart, evenly spaced in symlog."""


class RewardHead(nn.Module):
    """Reads the outputs that M has for the reward, `num_outputs` of them; holds no weights."""

    bins: Tensor

    def __init__(self, config: RewardConfig) -> None:
        super().__init__()
        self.config = config
        self.num_outputs = {"none": 0, "sign": 1, "value": 1, "two_hot": config.num_bins, "constant": 0}[config.head]
        self.register_buffer("bins", symexp_bins(config.num_bins, SYMLOG_LIMIT), persistent=False)

    def expected(self, out: Tensor) -> Tensor:
        """Outputs (..., o) -> expected reward (...,) in units of the environment; of `sign`, the expected sign."""
        if self.config.head == "two_hot":
            return expected(out, self.bins)
        if self.config.head == "sign":
            return torch.tanh(out[..., 0] / 2)  # p - (1 - p), where p = sigmoid(logit)
        if self.config.head == "constant":
            return out.new_full(out.shape[:-1], self.config.scale)
        return out[..., 0] * self.config.scale

    def as_input(self, rew: Tensor) -> Tensor:
        """What M reads of a reward (...,)."""
        return torch.sign(rew) if self.config.head == "sign" else rew / self.config.scale

    def loss(self, out: Tensor, rew: Tensor) -> Tensor:
        """Outputs (..., o) against rewards (...,): the loss of each step, in nats or in squares of scaled reward."""
        if self.config.head == "two_hot":
            return cross_entropy(out, rew, self.bins)
        if self.config.head == "sign":
            return functional.binary_cross_entropy_with_logits(out[..., 0], (rew > 0).float(), reduction="none")
        return (out[..., 0] - rew / self.config.scale).square()
