"""What all vision models share: an encoder, a Gaussian latent and a decoder, whatever loss they are fitted with.

Shapes: b batch, h w frame, c colour, z latent.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Gt, Le
from torch import Tensor, nn

from reverie.models.conv import Decoder, Encoder, to_float, to_uint8
from reverie.models.distributions import DiagonalGaussian
from reverie.models.larsen_nets import LarsenDecoder, LarsenEncoder
from reverie.types import LossAndMetrics, Width

LOGVAR_LIMIT = 20.0
"""Log variances stay between -20 and 20, smoothly: beyond, their exponential and its gradient leave float32."""


@dataclass(frozen=True, kw_only=True)
class NetConfig:
    """Encoder and decoder, the same for every vision model."""

    layout: Literal["ha2018", "larsen2016"] = "ha2018"
    """Whose they are: World Models' (appendix A.1), or those of Larsen et al. 2016 at 64 pixels, with batch
    normalisation, in which the last of `encoder_channels` are the features of a linear layer, and `decoder_features`
    the channels of the 8x8 map that decoding begins with."""
    z_size: Annotated[int, Gt(0), Le(1024)] = 32
    """Size of the latent vector."""
    encoder_channels: tuple[Width, Width, Width, Width] = (32, 64, 128, 256)
    """Output channels of the four convolutions; of `larsen2016` see `layout` (there: 64, 128, 256, 2048)."""
    decoder_features: Width = 1024
    """Features between z and the first transposed convolution (`larsen2016`: 256)."""
    decoder_channels: tuple[Width, Width, Width] = (128, 64, 32)
    """Output channels of the first three transposed convolutions (`larsen2016`: 256, 128, 32)."""


class Autoencoder(nn.Module):
    """The contract of a vision model; its loss is its own."""

    def __init__(self, net: NetConfig) -> None:
        super().__init__()
        self.net = net
        self.z_size = net.z_size
        is_larsen = net.layout == "larsen2016"
        self.encoder = (LarsenEncoder if is_larsen else Encoder)(net.encoder_channels)
        self.mu = nn.Linear(self.encoder.num_features, net.z_size)
        self.logvar = nn.Linear(self.encoder.num_features, net.z_size)
        make_decoder = LarsenDecoder if is_larsen else Decoder
        self.decoder = make_decoder(net.z_size, net.decoder_features, net.decoder_channels)
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (torch's stubs lack it)

    def encode(self, frames: Tensor) -> DiagonalGaussian:
        """uint8 frames (b, h, w, c) -> q(z | frame), mu and logvar (b, z) in float32."""
        features = self.encoder(to_float(frames))
        logvar = LOGVAR_LIMIT * torch.tanh(self.logvar(features).float() / LOGVAR_LIMIT)
        return DiagonalGaussian(self.mu(features).float(), logvar)

    def mean(self, frames: Tensor) -> Tensor:
        """The mean of that alone (b, z), in the precision that the weights have."""
        return self.mu(self.encoder(to_float(frames).to(self.mu.weight.dtype)))

    def images(self, z: Tensor) -> Tensor:
        """z (b, z) -> images (b, c, h, w) in [0, 1]."""
        return self.decoder(z)

    def decode(self, z: Tensor) -> Tensor:
        """z (b, z) -> uint8 frames (b, h, w, c)."""
        return to_uint8(self.images(z))

    def loss(self, frames: Tensor, generator: torch.Generator | None = None) -> LossAndMetrics:
        """The loss of uint8 frames (b, h, w, c); `generator` draws the noise."""
        raise NotImplementedError

    def after_step(self) -> None:
        """What follows each step of the optimiser in training."""

    def rates(self) -> dict[str, float]:
        """Factors of the learning rate for parameters whose names begin so; the others have 1."""
        return {}
