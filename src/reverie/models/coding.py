"""V over many frames, in batches: frames to latents and back.

Shapes: n frames of (64, 64, 3) uint8, z latent.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from reverie.devices import Precision, autocast
from reverie.models.autoencoder import Autoencoder
from reverie.types import Floats, Frames

BATCH = 256
"""Frames at once. Matrix kernels treat other sizes differently in the last bit."""


def batches(values: np.ndarray, batch: int | None = BATCH, device: torch.device | str = "cpu") -> Iterator[Tensor]:
    """Values (n, ...) in parts of `batch`, copied; all at once where it is None."""
    step = batch or max(len(values), 1)
    for i in range(0, len(values), step):
        yield torch.from_numpy(np.array(values[i : i + step])).to(device)


def _device(vision: Autoencoder) -> torch.device:
    return next((weight.device for weight in vision.parameters()), torch.device("cpu"))


def information(mu: Floats, logvar: Floats) -> Floats:
    """How much each number of the latent says of frames (n, z): their KL divergence from a standard normal, in nats,
    mean over frames (z,)."""
    return 0.5 * (mu**2 + np.exp(logvar) - logvar - 1).mean(0)


@torch.inference_mode()
def encode(
    vision: Autoencoder, frames: Frames, *, batch: int | None = BATCH, precision: Precision = "fp32"
) -> tuple[Floats, Floats]:
    """Frames (n, 64, 64, 3) -> mu and logvar (n, z) in float32, computed where V is."""
    device = _device(vision)
    with autocast(device, precision):
        found = [vision.encode(some) for some in batches(frames, batch, device)]
    none = np.zeros((0, vision.z_size), np.float32)
    mu = np.concatenate([none, *(posterior.mu.cpu().numpy() for posterior in found)])
    return mu, np.concatenate([none, *(posterior.logvar.cpu().numpy() for posterior in found)])


@torch.inference_mode()
def decode(vision: Autoencoder, z: np.ndarray, *, batch: int | None = BATCH) -> Frames:
    """z (n, z) -> frames (n, 64, 64, 3), without noise."""
    device = _device(vision)
    parts = [vision.decode(some).cpu().numpy() for some in batches(z.astype(np.float32), batch, device)]
    return np.concatenate([np.zeros((0, 64, 64, 3), np.uint8), *parts])


def reconstruct(vision: Autoencoder, frames: Frames) -> Frames:
    """What V makes of frames (n, 64, 64, 3): the decoded means of their latents."""
    return decode(vision, encode(vision, frames)[0])
