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


class MixtureNoise(NamedTuple):
    """The chance in one draw from a mixture."""

    uniform: Tensor
    """(..., 1, z), or (..., 1, 1) where all dimensions share their component: in [0, 1), it chooses the component."""
    normal: Tensor
    """(..., z) standard normal: where within the component."""


class Mixture(NamedTuple):
    """A mixture of k normals (Bishop 1994): an independent one for each latent dimension, as in the paper, or one of
    diagonal normals over the whole latent, as in some ports.

    `mu` and `logsigma` are (..., k, z); `logpi` (normalised over k) is (..., k, z), or (..., k, 1) where all dimensions
    share their component. z stands last because it is long: sums over k then run over whole rows.
    """

    logpi: Tensor
    mu: Tensor
    logsigma: Tensor

    @classmethod
    def from_logits(cls, logits: Tensor, mu: Tensor, logsigma: Tensor) -> "Mixture":
        """Normalises `logits` (..., k, z or 1) into log weights."""
        return cls(torch.log_softmax(logits, -2), mu, logsigma)

    @property
    def is_shared(self) -> bool:
        """Whether one component is drawn for all dimensions together."""
        return self.logpi.shape[-1] != self.mu.shape[-1]

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density of `z` (..., z), by a stabilised log-sum-exp over k, summed over z -> (...)."""
        scaled = (z.unsqueeze(-2) - self.mu) * torch.exp(-self.logsigma)
        log_normal = -0.5 * scaled.square() - self.logsigma - _HALF_LOG_TWO_PI
        if self.is_shared:
            log_normal = log_normal.sum(-1, keepdim=True)
        return torch.logsumexp(self.logpi + log_normal, -2).sum(-1)

    def mean(self) -> Tensor:
        """Expected value (..., z)."""
        return (self.logpi.exp() * self.mu).sum(-2)

    def draw_noise(self, generator: torch.Generator | None = None) -> MixtureNoise:
        """What `sample` draws."""
        shape = (*self.logpi.shape[:-2], 1, self.logpi.shape[-1])
        uniform = torch.rand(shape, generator=generator, device=self.mu.device, dtype=self.mu.dtype)
        return MixtureNoise(uniform, _standard_normal(self.mu[..., 0, :], generator))

    def sample(
        self, temperature: float = 1.0, generator: torch.Generator | None = None, noise: MixtureNoise | None = None
    ) -> Tensor:
        """One draw (..., z): weights sharpened by 1 / temperature, deviations times its root (paper, section 4.3).

        Its gradient reaches mean and deviation of the component that was drawn, not the choice of it. Chance comes from
        `noise`, or else from `generator`. Temperature 0 takes the mean of the heaviest component.
        """
        if temperature < 0:
            raise ValueError(f"temperature must be >= 0, not {temperature}")
        if temperature == 0:
            return _pick(self.mu, self.logpi.argmax(-2, keepdim=True))
        uniform, normal = noise or self.draw_noise(generator)
        # The component in whose share of [0, 1) a uniform number falls. Rounding may leave the shares' sum below it.
        shares = torch.softmax(self.logpi / temperature, -2).cumsum(-2)[..., :-1, :]
        component = (uniform >= shares).sum(-2, keepdim=True)
        mu, sigma = _pick(self.mu, component), _pick(self.logsigma, component).exp()
        return mu + sigma * math.sqrt(temperature) * normal


def _pick(values: Tensor, component: Tensor) -> Tensor:
    """Of values (..., k, z) those of a component (..., 1, z or 1) -> (..., z)."""
    return values.gather(-2, component.expand(*values.shape[:-2], 1, values.shape[-1])).squeeze(-2)
