"""V: the variational autoencoder (Kingma & Welling 2014) as in World Models, appendix A.1.

Shapes: b batch, h w frame, c colour, z latent.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor

from reverie.models.autoencoder import Autoencoder, NetConfig
from reverie.models.conv import to_float
from reverie.types import LossAndMetrics


@dataclass(frozen=True, kw_only=True)
class VaeConfig:
    """The loss of a VAE."""

    reconstruction: Literal["sum", "mean"] = "sum"
    """Squared errors summed over an image (paper) or averaged over it (seed)."""
    reconstruction_weight: Annotated[float, Gt(0), Le(1e9)] = 1.0
    """Factor of the reconstruction error (seed: 10000)."""
    novelty_weight: Annotated[float, Ge(0), Le(1e9)] = 0.0
    """Further weight of each pixel's error, times the squared distance of the pixel from the mean of its place over the
    batch: what is small and seldom there, and matters, is seen sooner than the texture of walls; 0 for none."""
    kl_tolerance: Annotated[float, Ge(0), Le(1e3)] = 0.5
    """Nats per latent dimension that the KL is not pushed below: max(KL, tolerance x z) (paper); 0 turns it off."""


class Vae(Autoencoder):
    """Its error is that of pixels."""

    def __init__(self, net: NetConfig, config: VaeConfig) -> None:
        super().__init__(net)
        self.config = config

    def loss(self, frames: Tensor, generator: torch.Generator | None = None) -> LossAndMetrics:
        """Negative evidence bound of uint8 frames (b, h, w, c): sums over pixels and z, mean over the batch."""
        config = self.config
        posterior = self.encode(frames)
        images = self.decoder(posterior.sample(generator)).float()
        real = to_float(frames)
        squared = (images - real).square()
        if config.novelty_weight:
            novelty = (real - real.mean(0)).square().mean(1, keepdim=True)
            squared = squared * (1 + config.novelty_weight * novelty)
        error = squared.sum((1, 2, 3)) if config.reconstruction == "sum" else squared.mean((1, 2, 3))
        kl = posterior.kl_to_standard_normal()
        floored = kl.clamp(min=config.kl_tolerance * self.z_size) if config.kl_tolerance else kl
        loss = (config.reconstruction_weight * error + floored).mean()
        return loss, {"loss": loss, "loss_reconstruction": error.mean(), "loss_kl": kl.mean()}
