"""Health: each way to fail, by a model that fails so."""

from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor

from reverie.measure.health import foresight, health
from reverie.models.conv import to_float
from reverie.models.distributions import DiagonalGaussian
from reverie.models.mdn_rnn import Memory, MemoryConfig
from reverie.models.vision import Vision
from reverie.types import SequenceBatch


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


def sequences(*, is_slow: bool) -> SequenceBatch:
    """Latents that drift, or that are drawn anew at each decision; the last of ten are padding, far from all others."""
    z = torch.randn(8, 11, 3, generator=torch.Generator().manual_seed(0))
    if is_slow:
        z = torch.cumsum(0.01 * z, 1) + 5.0
    mask = torch.ones(8, 10)
    mask[:, -1] = 0
    z[:, -1] = 1000.0
    nothing = torch.zeros(8, 10)
    return SequenceBatch(z=z, act=torch.zeros(8, 10, 2), rew=nothing, prev_rew=nothing, end=nothing, mask=mask)


def memory_that(*, repeats: bool) -> Memory:
    """Expects the last latent again, or zero."""
    memory = Memory(MemoryConfig(hidden_size=4, num_mixtures=1, residual=repeats), 3, 2)
    torch.nn.init.zeros_(memory.head.weight)
    torch.nn.init.zeros_(memory.head.bias)
    return memory


def test_the_worse_of_two_guesses_foresees_nothing() -> None:
    """Where all is new at each decision that is the last latent again, and where little changes any other."""
    assert foresight(memory_that(repeats=True), [sequences(is_slow=False)]) == 0
    assert (foresight(memory_that(repeats=False), [sequences(is_slow=True)]) or 0) < -1000


def test_who_is_nearer_than_one_of_them_may_foresee_something() -> None:
    assert foresight(memory_that(repeats=False), [sequences(is_slow=False)]) == pytest.approx(0.5, abs=0.1)
    assert 0.5 < (foresight(memory_that(repeats=True), [sequences(is_slow=True)]) or 0) < 1


def test_where_nothing_moves_nothing_is_said() -> None:
    batch = sequences(is_slow=True)
    assert foresight(memory_that(repeats=False), [replace(batch, z=torch.ones_like(batch.z))]) is None


def test_who_knows_where_it_goes_foresees() -> None:
    """A latent that grows by .5 a decision, from anywhere, after a head that adds .5."""
    batch, memory = sequences(is_slow=True), memory_that(repeats=True)
    z = torch.arange(11.0)[None, :, None] * 0.5 + torch.arange(8.0)[:, None, None] * torch.ones(3)
    with torch.no_grad():
        memory.head.bias[3:6] = 0.5  # the means come after the weights
    found = foresight(memory, [replace(batch, z=z)])
    assert found == pytest.approx(1)
