"""V: the variational autoencoder (Kingma & Welling 2014) as in World Models, appendix A.1.

Shapes: b batch, h w frame, c colour, z latent.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn

from reverie.models.conv import Decoder, Encoder, to_float, to_uint8
from reverie.models.distributions import DiagonalGaussian
from reverie.types import LossAndMetrics, Positive


@dataclass(frozen=True, kw_only=True)
class VaeConfig:
    """The network of V and its loss."""

    z_size: Positive = 32
    """Size of the latent vector."""
    encoder_channels: tuple[Positive, Positive, Positive, Positive] = (32, 64, 128, 256)
    """Output channels of the four convolutions."""
    decoder_features: Positive = 1024
    """Features between z and the first transposed convolution."""
    decoder_channels: tuple[Positive, Positive, Positive] = (128, 64, 32)
    """Output channels of the first three transposed convolutions."""
    reconstruction: Literal["sum", "mean"] = "sum"
    """Squared errors summed over an image (paper) or averaged over it (seed)."""
    reconstruction_weight: Annotated[float, Gt(0)] = 1.0
    """Factor of the reconstruction error (seed: 10000)."""
    kl_tolerance: Annotated[float, Ge(0)] = 0.5
    """Nats per latent dimension that the KL is not pushed below: max(KL, tolerance x z) (paper); 0 turns it off."""


class Vae(nn.Module):
    """Encoder, Gaussian latent and decoder."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.encoder_channels)
        self.mu = nn.Linear(self.encoder.num_features, config.z_size)
        self.logvar = nn.Linear(self.encoder.num_features, config.z_size)
        self.decoder = Decoder(config.z_size, config.decoder_features, config.decoder_channels)
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (torch's stubs lack it)

    def encode(self, frames: Tensor) -> DiagonalGaussian:
        """uint8 frames (b, h, w, c) -> q(z | frame), mu and logvar (b, z) in float32."""
        features = self.encoder(to_float(frames))
        return DiagonalGaussian(self.mu(features).float(), self.logvar(features).float())

    def decode(self, z: Tensor) -> Tensor:
        """z (b, z) -> uint8 frames (b, h, w, c)."""
        return to_uint8(self.decoder(z))

    def loss(self, frames: Tensor, generator: torch.Generator | None = None) -> LossAndMetrics:
        """Negative evidence bound of uint8 frames (b, h, w, c): sums over pixels and z, mean over the batch."""
        config = self.config
        posterior = self.encode(frames)
        images = self.decoder(posterior.sample(generator)).float()
        squared = (images - to_float(frames)).square()
        error = squared.sum((1, 2, 3)) if config.reconstruction == "sum" else squared.mean((1, 2, 3))
        kl = posterior.kl_to_standard_normal()
        floored = kl.clamp(min=config.kl_tolerance * config.z_size) if config.kl_tolerance else kl
        loss = (config.reconstruction_weight * error + floored).mean()
        return loss, {"loss": loss, "loss_reconstruction": error.mean(), "loss_kl": kl.mean()}
