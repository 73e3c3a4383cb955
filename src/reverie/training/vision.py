"""Stage vision: V learns to see the collected frames."""

import numpy as np
import torch

from reverie.data.batches import FrameCache, FrameSampler
from reverie.data.store import EpisodeStore
from reverie.metrics import Metrics, Progress
from reverie.models.conv import to_float
from reverie.models.files import save_vision
from reverie.models.vae import Vae
from reverie.run_folder import RunFolder, StageClock
from reverie.seeding import torch_generator, torch_seeded
from reverie.training.loop import Fit

HELD_OUT = 0.05
"""Share of the episodes, the last ones, that V and M are not fitted on."""
HELD_OUT_FRAMES = 2000
"""Held-out frames that the error is measured on, spread evenly."""


def num_train_episodes(num_episodes: int) -> int:
    """Episodes to fit on; the rest is held out."""
    return num_episodes - int(np.ceil(HELD_OUT * num_episodes)) if num_episodes > 1 else 1


def open_frames(run: RunFolder, store: EpisodeStore, *, quiet: bool) -> FrameCache:
    """All frames of the run, mapped from the disk; unpacked from the episodes the first time."""
    with Progress("unpack", store.num_frames, "frames", quiet=quiet) as bar:
        cache = FrameCache(store, run.rollouts / "frames.npy", progress=bar.update)
        bar.update(store.num_frames)
    return cache


def train_vision(run: RunFolder, metrics: Metrics, *, quiet: bool, device: str = "cpu") -> None:
    """Fits V for the recipe's epochs, or goes on where it was cut."""
    config, clock, stage = run.config, StageClock(run, "vision"), run.config.vision
    store = EpisodeStore(run.rollouts)
    cache = open_frames(run, store, quiet=quiet)
    num_train = cache.offsets[num_train_episodes(len(store))]
    sampler = FrameSampler(cache.frames[:num_train], stage.fit.batch_size, config.seed)
    with torch_seeded(config.seed, "vision"):
        vision = Vae(stage.model).to(device)

    def batch(step: int) -> tuple[torch.Tensor, torch.Generator]:
        noise = torch_generator(config.seed, "vision", "noise", step, device=device)
        return torch.from_numpy(sampler.batch(step)).to(device), noise

    num_steps, size = stage.epochs * sampler.steps_per_epoch, stage.fit.batch_size
    fit = Fit(
        "vision",
        vision,
        stage.fit,
        loss=lambda frames_and_noise: vision.loss(*frames_and_noise),
        batch=batch,
        num_steps=num_steps,
        state_path=run.path / "vision.optimizer.safetensors",
    )
    with Progress("vision", num_steps * size, "images", start=fit.step * size, quiet=quiet) as bar:
        fit.run(metrics, bar, units_per_step=size, beat=clock.beat)
    fit.save()
    save_vision(run.vision, vision)
    error = held_out_error(vision, cache.frames[num_train:], device)
    metrics.log("vision", num_steps, {"vision/held_out/mean_squared_error": error})
    clock.done([run.vision], {"steps": num_steps, "images": num_steps * size, "held_out_mean_squared_error": error})


@torch.inference_mode()
def held_out_error(vision: Vae, frames: np.ndarray, device: str) -> float:
    """Mean squared error of a pixel in [0, 1], decoding the mean latent of held-out frames (n, 64, 64, 3)."""
    chosen = frames[:: max(1, len(frames) // HELD_OUT_FRAMES)]
    errors = []
    for start in range(0, len(chosen), 500):
        some = torch.tensor(chosen[start : start + 500]).to(device)
        errors.append((vision.decoder(vision.encode(some).mu) - to_float(some)).square().mean((1, 2, 3)))
    return float(torch.cat(errors).mean())
