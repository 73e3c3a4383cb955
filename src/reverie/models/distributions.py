"""Diagonal Gaussian and Gaussian mixture densities.

Shapes: `...` any leading dimensions, z latent size, k mixture components.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def _standard_normal(like: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.randn(like.shape, generator=generator, device=like.device, dtype=like.dtype)


class DiagonalGaussian(NamedTuple):
    """Independent normals: `mu` and `logvar` (..., z)."""

    mu: Tensor
    logvar: Tensor

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """One reparametrised draw (..., z); `generator` lives on the device of `mu`."""
        return self.mu + torch.exp(0.5 * self.logvar) * _standard_normal(self.mu, generator)

    def kl_of_each(self) -> Tensor:
        """KL(q || N(0, I)) of each dimension (Kingma & Welling 2014, appendix B) -> (..., z)."""
        return -0.5 * (1 + self.logvar - self.mu.square() - self.logvar.exp())

    def kl_to_standard_normal(self) -> Tensor:
        """KL(q || N(0, I)), summed over z (Kingma & Welling 2014, appendix B) -> (...)."""
        return self.kl_of_each().sum(-1)


class Mixture(NamedTuple):
    """An independent mixture of k normals for each latent dimension (Bishop 1994).

    `logpi` (normalised over k), `mu` and `logsigma` are (..., z, k).
    """

    logpi: Tensor
    mu: Tensor
    logsigma: Tensor

    @classmethod
    def from_logits(cls, logits: Tensor, mu: Tensor, logsigma: Tensor) -> "Mixture":
        """Normalises `logits` (..., z, k) into log weights."""
        return cls(torch.log_softmax(logits, -1), mu, logsigma)

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density of each dimension of `z` (..., z), by a stabilised log-sum-exp over k -> (..., z)."""
        scaled = (z.unsqueeze(-1) - self.mu) * torch.exp(-self.logsigma)
        return torch.logsumexp(self.logpi - 0.5 * scaled.square() - self.logsigma - _HALF_LOG_TWO_PI, -1)

    def mean(self) -> Tensor:
        """Expected value (..., z)."""
        return (self.logpi.exp() * self.mu).sum(-1)

    def sample(self, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
        """One draw (..., z): weights sharpened by 1 / temperature, deviations times its root (paper, section 4.3).

        Temperature 0 takes the mean of the heaviest component.
        """
        if temperature < 0:
            raise ValueError(f"temperature must be >= 0, not {temperature}")
        if temperature == 0:
            component = self.logpi.argmax(-1, keepdim=True)
            return self.mu.gather(-1, component).squeeze(-1)
        weights = torch.softmax(self.logpi / temperature, -1)
        flat = weights.reshape(-1, weights.shape[-1])
        component = torch.multinomial(flat, 1, generator=generator).reshape(*weights.shape[:-1], 1)
        mu = self.mu.gather(-1, component).squeeze(-1)
        sigma = self.logsigma.gather(-1, component).squeeze(-1).exp()
        return mu + sigma * math.sqrt(temperature) * _standard_normal(mu, generator)
