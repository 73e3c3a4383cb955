"""V over many frames: the same as at once, whatever the parts."""

import numpy as np
import pytest
import torch

from reverie.models.autoencoder import NetConfig
from reverie.models.coding import batches, decode, encode, reconstruct
from reverie.models.vae import Vae, VaeConfig
from reverie.seeding import torch_seeded

FRAMES = np.random.default_rng(0).integers(0, 256, (7, 64, 64, 3), dtype=np.uint8)


@pytest.fixture
def vision() -> Vae:
    with torch_seeded(0, "coding"):
        return Vae(NetConfig(z_size=4), VaeConfig()).eval()


def test_parts_are_all_there_in_order_and_copies() -> None:
    parts = list(batches(FRAMES, 3))
    assert [len(part) for part in parts] == [3, 3, 1]
    np.testing.assert_array_equal(torch.cat(parts), FRAMES)
    parts[0][0] = 0
    assert FRAMES[0].any()
    assert [len(part) for part in batches(FRAMES, None)] == [7]
    assert list(batches(FRAMES[:0], None)) == []


@pytest.mark.parametrize("batch", [1, 3, 256, None])
def test_frames_and_latents_are_coded_as_at_once(vision: Vae, batch: int | None) -> None:
    with torch.no_grad():
        posterior = vision.encode(torch.from_numpy(FRAMES))
        seen = vision.decode(posterior.mu).numpy()
    mu, logvar = encode(vision, FRAMES, batch=batch)
    np.testing.assert_allclose(mu, posterior.mu, atol=1e-5)
    np.testing.assert_allclose(logvar, posterior.logvar, atol=1e-5)
    assert mu.dtype == logvar.dtype == np.float32
    decoded = decode(vision, mu, batch=batch)
    assert decoded.dtype == np.uint8
    assert np.abs(decoded.astype(int) - seen).max() <= 1
    assert np.abs(reconstruct(vision, FRAMES).astype(int) - seen).max() <= 1


def test_frames_are_read_from_a_file_and_precision_is_that_of_the_encoder(vision: Vae, tmp_path) -> None:
    np.save(tmp_path / "frames.npy", FRAMES)
    mapped = np.load(tmp_path / "frames.npy", mmap_mode="r")
    np.testing.assert_array_equal(encode(vision, mapped)[0], encode(vision, FRAMES)[0])
    rough = encode(vision, FRAMES, precision="bf16")[0]
    assert not np.array_equal(rough, encode(vision, FRAMES)[0])
    np.testing.assert_allclose(rough, encode(vision, FRAMES)[0], atol=0.05)


def test_nothing_is_coded_as_nothing(vision: Vae) -> None:
    mu, logvar = encode(vision, FRAMES[:0])
    assert mu.shape == logvar.shape == (0, 4)
    assert decode(vision, mu).shape == (0, 64, 64, 3)
