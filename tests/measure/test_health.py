"""Health: each way to fail, by a model that fails so."""

from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor

from reverie.measure.health import health
from reverie.models.conv import to_float
from reverie.models.distributions import DiagonalGaussian
from reverie.models.vision import Vision


class Toy(torch.nn.Module):
    """Latents are the mean colour of the frame; images are what `paint` makes of them."""

    def __init__(self, *, scale: float = 1.0, sigma: float = 0.05, shift: float = 0.0) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(scale))
        self.sigma, self.shift = sigma, shift

    def encode(self, frames: Tensor) -> DiagonalGaussian:
        mu = to_float(frames).mean((2, 3))
        if self.sigma == 1.0:
            mu = torch.zeros_like(mu)
        return DiagonalGaussian(mu, torch.full_like(mu, 2 * np.log(self.sigma)))

    def images(self, z: Tensor) -> Tensor:
        shades = self.weight * (z - 0.5) + 0.5 + self.shift
        return shades[..., None, None].expand(-1, -1, 64, 64)


def plain_frames(n: int = 40) -> np.ndarray:
    shades = np.random.default_rng(0).integers(0, 256, (n, 1, 1, 3), dtype=np.uint8)
    return np.broadcast_to(shades, (n, 64, 64, 3)).copy()


def examine(**settings: float):
    return health(cast(Vision, Toy(**settings)), plain_frames())


def test_a_model_that_sees():
    found = examine()
    assert found.mean_squared_error == pytest.approx(0, abs=1e-9)
    assert found.active_latents == 3
    assert found.variety == pytest.approx(1, abs=0.01)
    assert found.collapse == ""


def test_a_latent_that_says_nothing():
    found = examine(sigma=1.0)
    assert found.active_latents == 0
    assert "posterior collapse" in found.collapse


def test_reconstructions_that_are_all_alike():
    found = examine(scale=0.1)
    assert found.variety == pytest.approx(0.1, abs=0.01)
    assert "all alike (10%" in found.collapse


def test_reconstructions_that_are_wrong():
    found = examine(scale=-0.5)
    assert found.mean_squared_error == pytest.approx(1.5**2 * (plain_frames() / 255 - 0.5).__pow__(2).mean(), rel=0.01)
    assert "farther" in found.collapse
