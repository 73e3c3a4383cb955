"""The critic: what a moment of a dream is worth to the actor as it drives now.

Shapes: `...` any leading dimensions, f features, n bins.
"""

import copy

import torch
from torch import Tensor, nn

from reverie.models.two_hot import cross_entropy, expected, symexp_bins
from reverie.run.imagine import CriticConfig

LIMIT = 10.0
"""Bins reach to 22,000 (symexp of it) both ways."""


class Critic(nn.Module):
    """Two layers and a two-hot head, which expects 0 everywhere at first; and a slow copy, to which it is drawn."""

    bins: Tensor

    def __init__(self, config: CriticConfig, num_features: int) -> None:
        super().__init__()
        self.config = config
        width, parts = config.hidden_size, list[nn.Module]()
        for before in (num_features, width):
            parts += [nn.Linear(before, width), nn.LayerNorm(width), nn.SiLU()]
        head = nn.Linear(width, config.num_bins)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        self.net = nn.Sequential(*parts, head)
        self.slow_net = copy.deepcopy(self.net).requires_grad_(False)
        self.register_buffer("bins", symexp_bins(config.num_bins, LIMIT), persistent=False)

    def value(self, logits: Tensor) -> Tensor:
        """What logits (..., n) of the critic's expect (...,), in units of the environment."""
        return expected(logits, self.bins)

    def loss(self, logits: Tensor, returns: Tensor, features: Tensor) -> Tensor:
        """Logits (..., n) for `features` (..., f) against returns (...,), and against what the slow copy expects: nats
        (...,)."""
        with torch.no_grad():
            slow = self.value(self.slow_net(features))
        return cross_entropy(logits, returns, self.bins) + cross_entropy(logits, slow, self.bins)

    @torch.no_grad()
    def follow(self) -> None:
        """Lets the slow copy take over its share of the critic."""
        for slow, fast in zip(self.slow_net.parameters(), self.net.parameters(), strict=True):
            slow.lerp_(fast, self.config.slow)
