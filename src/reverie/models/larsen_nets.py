"""Encoder and decoder of Larsen et al. 2016 (arXiv 1512.09300), table 1 and `architectures.py` of their code
(andersbll/autoencoding_beyond_pixels), for 64x64 RGB frames: 5x5 convolutions with batch normalisation.

Shapes: b batch, c colour, z latent, f features.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

KEPT, EPSILON = 0.9, 1e-6
"""Of the means that batch normalisation keeps for later, how much stays at each step; what keeps it from dividing by
zero."""
SIDE = 8
"""Of the map between convolutions and the linear layer."""


class LarsenEncoder(nn.Sequential):
    """Three 5x5 convolutions of stride 2 and a linear layer, each with batch normalisation and ReLU: images
    (b, c, 64, 64) in [0, 1] -> (b, f)."""

    def __init__(self, channels: Sequence[int]) -> None:
        """`channels` of the convolutions, and at last the features of the linear layer."""
        *convolutions, self.num_features = channels
        layers: list[nn.Module] = []
        for before, after in zip((3, *convolutions[:-1]), convolutions, strict=True):
            layers += [nn.Conv2d(before, after, 5, 2, 2, bias=False), _norm(nn.BatchNorm2d, after), nn.ReLU()]
        linear = nn.Linear(convolutions[-1] * SIDE**2, self.num_features, bias=False)
        super().__init__(*layers, nn.Flatten(), linear, _norm(nn.BatchNorm1d, self.num_features), nn.ReLU())

    def forward(self, input: Tensor) -> Tensor:
        """The authors' pictures lie in [-1, 1]."""
        return super().forward(2 * input - 1)


class LarsenDecoder(nn.Sequential):
    """A linear layer to an 8x8 map, three transposed 5x5 convolutions of stride 2, and a 5x5 convolution: (b, z) ->
    images (b, c, 64, 64) in [0, 1]."""

    def __init__(self, z_size: int, first: int, channels: Sequence[int]) -> None:
        """`first`: channels of the 8x8 map."""
        features = first * SIDE**2
        layers: list[nn.Module] = [nn.Linear(z_size, features, bias=False), _norm(nn.BatchNorm1d, features), nn.ReLU()]
        layers.append(nn.Unflatten(1, (first, SIDE, SIDE)))
        for before, after in zip((first, *channels[:-1]), channels, strict=True):
            convolution = nn.ConvTranspose2d(before, after, 5, 2, 2, output_padding=1, bias=False)
            layers += [convolution, _norm(nn.BatchNorm2d, after), nn.ReLU()]
        super().__init__(*layers, nn.Conv2d(channels[-1], 3, 5, 1, 2))

    def forward(self, input: Tensor) -> Tensor:
        """The authors' tanh, moved to [0, 1]."""
        return (torch.tanh(super().forward(input)) + 1) / 2


def _norm(kind: type[nn.BatchNorm1d] | type[nn.BatchNorm2d], size: int) -> nn.Module:
    return kind(size, eps=EPSILON, momentum=1 - KEPT)
