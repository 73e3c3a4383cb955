"""Whether V and M are alive: the ways in which one can fail that its losses do not show.

Shapes: n frames of (64, 64, 3) uint8; b sequences of t decisions, z latent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from reverie.models.coding import batches
from reverie.models.conv import to_float
from reverie.models.mdn_rnn import Memory
from reverie.models.vision import Vision
from reverie.types import Frames, SequenceBatch

ACTIVE = 0.01
"""Nats of KL, on average, from which a latent dimension says something (Burda et al. 2016 use a like threshold)."""
LEAST_VARIETY = 0.3
"""Of what frames differ by, reconstructions must keep so much."""
_BATCH = 250


@dataclass(frozen=True, kw_only=True)
class Health:
    """Of a model on frames that it was not fitted on."""

    mean_squared_error: float
    """Of a pixel in [0, 1], decoding the mean latent."""
    active_latents: int
    """Dimensions that say something about the frame."""
    variety: float
    """Standard deviation of a pixel over reconstructions, relative to that over frames."""
    collapse: str
    """What has failed, in words; empty if nothing."""


@torch.inference_mode()
def health(vision: Vision, frames: Frames) -> Health:
    """Reads frames (n, 64, 64, 3), at least two that differ; on the device of the model."""
    device = next(vision.parameters()).device
    squared, kl, seen = [], [], []
    for some in batches(frames, _BATCH, device):
        posterior = vision.encode(some)
        images = vision.images(posterior.mu).float()
        squared.append((images - to_float(some)).square().mean((1, 2, 3)))
        kl.append(posterior.kl_of_each())
        seen.append((images.cpu().numpy() * 255).astype(np.uint8))
    error = float(torch.cat(squared).mean())
    active = int((torch.cat(kl).mean(0) > ACTIVE).sum())
    real = float(frames.astype(np.float32).std(0).mean())
    variety = float(np.concatenate(seen).astype(np.float32).std(0).mean()) / max(real, 1e-6)
    return Health(
        mean_squared_error=error,
        active_latents=active,
        variety=variety,
        collapse=_collapse(active, variety, error, float((frames / 255.0).var(0).mean())),
    )


def _collapse(active: int, variety: float, error: float, variance: float) -> str:
    if not active:
        return "the latent says nothing (posterior collapse): less weight on the KL, or more on the reconstruction"
    if variety < LEAST_VARIETY:
        return f"reconstructions are all alike ({variety:.0%} of the frames' variety)"
    if error > variance:
        return "reconstructions are farther from their frames than the mean frame is"
    return ""


@torch.inference_mode()
def foresight(memory: Memory, batches: Sequence[SequenceBatch]) -> float | None:
    """How much of the error of a guess that needs no M it takes away: 1 less the mean squared error of the next latent
    that M expects, relative to that of the latent before it, or of the mean latent, whichever is farther. 1 is perfect;
    an M with 0 or less foresees nothing. None where nothing moves.

    Not the nearer one: where little happens between two decisions, a sound M, which has learned from noisy latents, is
    farther from the next mean than the last mean is; and the mean of few episodes knows them as M cannot.

    Reads sequences of the means of latents, z (b, t + 1, z), that M was not fitted on; on the device of the model.
    """
    errors, steps = torch.zeros(2), 0.0
    sums, squares = torch.zeros(2, memory.z_size, dtype=torch.float64)
    for batch in batches:
        now, after, mask = batch.z[:, :-1], batch.z[:, 1:], batch.mask[..., None]
        hidden, _ = memory(now, batch.act, batch.prev_rew)
        expected = memory.predict(hidden, now).z.mean()
        errors += torch.stack([((guess - after).square() * mask).sum() for guess in (expected, now)]).cpu()
        steps += float(mask.sum())
        true = (after * mask).cpu().double()
        sums += true.sum((0, 1))
        squares += true.square().sum((0, 1))
    by_memory, by_last = errors.tolist()
    by_mean = float((squares - sums.square() / max(steps, 1.0)).sum())
    without = max(by_last, by_mean)
    return 1 - by_memory / without if without > 0 else None
