"""V: its size, its two losses, and that it learns."""

import numpy as np
import pytest
import torch

from reverie.models.autoencoder import NetConfig
from reverie.models.conv import to_float, to_uint8
from reverie.models.vae import Vae, VaeConfig

SMALL = NetConfig(z_size=4, encoder_channels=(4, 4, 8, 8), decoder_features=16, decoder_channels=(8, 8, 4))


def frames(b: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (b, 64, 64, 3), dtype=np.uint8))


def test_frames_survive_the_way_to_float_and_back() -> None:
    some = frames(2)
    images = to_float(some)
    assert images.shape == (2, 3, 64, 64)
    assert images.max() <= 1
    assert torch.equal(to_uint8(images), some)


def test_shapes() -> None:
    vae = Vae(SMALL, VaeConfig())
    posterior = vae.encode(frames(3))
    assert posterior.mu.shape == posterior.logvar.shape == (3, 4)
    decoded = vae.decode(posterior.mu)
    assert decoded.shape == (3, 64, 64, 3)
    assert decoded.dtype == torch.uint8


def test_wrong_frames_are_named() -> None:
    with pytest.raises(AssertionError, match=r"\(1, 96, 96, 3\)"):
        Vae(SMALL, VaeConfig()).encode(torch.zeros(1, 96, 96, 3, dtype=torch.uint8))


def test_sum_and_mean_losses_differ_by_the_number_of_pixels() -> None:
    some = frames(5)
    losses = {}
    for kind in ("sum", "mean"):
        torch.manual_seed(0)
        vae = Vae(SMALL, VaeConfig(reconstruction=kind, kl_tolerance=0.0))
        losses[kind] = vae.loss(some, torch.Generator().manual_seed(1))[1]["loss_reconstruction"].item()
    assert losses["sum"] == pytest.approx(losses["mean"] * 3 * 64 * 64, rel=1e-4)


def test_a_pixel_counts_the_more_the_farther_it_is_from_its_mean_over_the_batch() -> None:
    some = torch.full((4, 64, 64, 3), 51, dtype=torch.uint8)  # 0.2
    some[0, 10, 20] = 251  # 0.2 + 0.8 * 0.98; its mean over the batch is 0.2 + 50 / 255
    torch.manual_seed(0)
    plain, novel = (Vae(SMALL, VaeConfig(novelty_weight=weight, kl_tolerance=0.0)) for weight in (0.0, 3.0))
    novel.load_state_dict(plain.state_dict())
    losses = [vae.loss(some, torch.Generator().manual_seed(1))[1]["loss_reconstruction"] for vae in (plain, novel)]
    with torch.no_grad():
        images = plain.decoder(plain.encode(some).sample(torch.Generator().manual_seed(1)))
        squared = (images - to_float(some)).square()[:, :, 10, 20].sum(1)
    distance = torch.tensor([150, 50, 50, 50]) / 255
    further = (3 * distance.square() * squared).mean()
    torch.testing.assert_close(losses[1] - losses[0], further, rtol=1e-3, atol=1e-3)
    assert further > 0.1


def test_kl_tolerance_is_a_floor_for_each_image() -> None:
    torch.manual_seed(0)
    vae = Vae(SMALL, VaeConfig(kl_tolerance=0.5))
    with torch.no_grad():
        for layer in (vae.mu, vae.logvar):
            layer.weight.zero_()
            layer.bias.zero_()
    loss, metrics = vae.loss(frames(5), torch.Generator().manual_seed(1))
    assert metrics["loss_kl"].item() == 0
    assert loss.item() == pytest.approx(metrics["loss_reconstruction"].item() + 0.5 * 4, rel=1e-5)
    with torch.no_grad():
        vae.mu.bias.fill_(3.0)
    loss, metrics = vae.loss(frames(5), torch.Generator().manual_seed(1))
    assert metrics["loss_kl"].item() == pytest.approx(4 * 9 / 2, rel=1e-5)
    expected = metrics["loss_reconstruction"].item() + metrics["loss_kl"].item()
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_weight_of_the_reconstruction() -> None:
    torch.manual_seed(0)
    vae = Vae(SMALL, VaeConfig(reconstruction="mean", reconstruction_weight=10_000.0, kl_tolerance=0.0))
    loss, metrics = vae.loss(frames(5), torch.Generator().manual_seed(1))
    expected = 10_000 * metrics["loss_reconstruction"].item() + metrics["loss_kl"].item()
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_learns_to_tell_two_pictures_apart() -> None:
    torch.manual_seed(0)
    vae = Vae(SMALL, VaeConfig(kl_tolerance=0.0))
    pictures = torch.zeros(2, 64, 64, 3, dtype=torch.uint8)
    pictures[0, :32] = 200
    pictures[1, 32:] = 200
    batch = pictures.repeat(2, 1, 1, 1)
    optimizer = torch.optim.Adam(vae.parameters(), lr=3e-3)
    for _ in range(150):
        loss, _ = vae.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    decoded = vae.decode(vae.encode(pictures).mu).float()
    own = (decoded - pictures.float()).abs().mean()
    other = (decoded - pictures.flip(0).float()).abs().mean()
    assert own < 30 < other
