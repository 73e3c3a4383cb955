"""Stage vision: V learns to see the collected frames."""

from dataclasses import asdict

import torch

from reverie.data.batches import FrameCache, FrameSampler
from reverie.data.placed import PlacedFrames
from reverie.data.split import split
from reverie.data.store import EpisodeStore
from reverie.devices import sent
from reverie.measure.health import health
from reverie.metrics import Metrics
from reverie.models.files import save_vision
from reverie.models.vision import make_vision
from reverie.notes import note
from reverie.progress import Progress
from reverie.run.folder import RunFolder
from reverie.seeding import generator, torch_generator, torch_seeded
from reverie.training.identity import identity
from reverie.training.last_vision import HELD_OUT_FRAMES, last_vision
from reverie.training.loop import Fit
from reverie.training.stage_clock import StageClock

QUICK_LOOK = 100
"""Of them that tell, now and then in training, whether V is alive."""
EARLY = 0.25
"""Share of the steps before which nothing is said of a collapse: V first learns the mean frame, and a VAE/GAN to draw
before it is judged."""


def open_frames(run: RunFolder, store: EpisodeStore, *, quiet: bool) -> FrameCache:
    """All frames of the run, mapped from the disk; unpacked from the episodes the first time."""
    with Progress("unpack", store.num_frames, "frames", quiet=quiet) as bar:
        cache = FrameCache(store, run.rollouts / "frames.npy", progress=bar.update)
        bar.update(store.num_frames)
    return cache


def forget_frames(run: RunFolder) -> None:
    """Removes the unpacked frames, which are made again where they are needed."""
    for name in ("frames.npy", "frames.json"):
        (run.rollouts / name).unlink(missing_ok=True)


def in_a_mirror(frames: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
    """The frames (b, h, w, c), left and right exchanged in those of `which` (b,) bool."""
    return torch.where(which[:, None, None, None], frames.flip(2), frames)


def train_vision(run: RunFolder, metrics: Metrics, *, quiet: bool) -> None:
    """Fits V for the recipe's epochs, or goes on where it was cut; in a later round, from the weights of the round
    before, unless those are still good enough."""
    device = run.device
    config, clock, stage = run.config, StageClock(run, "vision"), run.config.vision
    store, last = EpisodeStore(run.rollouts), last_vision(run)
    if last and last.is_good_enough(config.rounds):
        save_vision(run.vision, last.vision)
        clock.done([run.vision], {"model": stage.model, "steps": 0, "images": 0, **last.facts(store)})
        return
    cache = open_frames(run, store, quiet=quiet)
    train, held_out = (store.rows_of(episodes) for episodes in split(store.rounds))
    sampler, frames = FrameSampler(train, stage.fit.batch_size, config.seed), PlacedFrames(cache.frames, device)
    with torch_seeded(config.seed, "vision"):
        vision = make_vision(stage).to(device)
    if last:
        vision.load_state_dict(last.vision.state_dict())

    def batch(step: int) -> tuple[torch.Tensor, torch.Generator]:
        chosen = frames.take(sampler.batch(step))
        if stage.mirror:
            mirrored = generator(config.seed, "vision", "mirror", step).random(len(chosen)) < 0.5
            chosen = in_a_mirror(chosen, sent(torch.from_numpy(mirrored), device))
        return chosen, torch_generator(config.seed, "vision", "noise", step, device=device)

    num_steps, size = stage.epochs * sampler.steps_per_epoch, stage.fit.batch_size
    fit = Fit(
        "vision",
        vision,
        stage.fit,
        loss=lambda frames_and_noise: vision.loss(*frames_and_noise),
        batch=batch,
        num_steps=num_steps,
        state_path=run.path / "vision.optimizer.safetensors",
        of=identity(run, "vision", episodes=store.digest()),
        rates=vision.rates(),
        after_step=vision.after_step,
        recordable=stage.model == "vae",  # a VAE/GAN may decide by its losses who learns
    )
    unseen = cache.frames[held_out[:: max(1, len(held_out) // HELD_OUT_FRAMES)]]

    def beat() -> None:
        clock.beat()
        vision.eval()
        collapse = health(vision, unseen[:: max(1, len(unseen) // QUICK_LOOK)]).collapse
        vision.train()
        if collapse and fit.step < EARLY * num_steps:
            collapse = "too early to tell"
        bar.advance(0, health=collapse or "good")

    with Progress("vision", num_steps * size, "images", start=fit.step * size, quiet=quiet) as bar:
        fit.run(metrics, bar, units_per_step=size, beat=beat)
    save_vision(run.vision, vision)
    found = health(vision, unseen)
    if found.collapse:
        note(f"vision: warning: V has collapsed: {found.collapse}")
    metrics.log("vision", num_steps, {"vision/held_out/mean_squared_error": found.mean_squared_error})
    facts = {f"held_out_{key}": value for key, value in asdict(found).items()}
    if last:
        facts |= {"last_error_on_new": last.error_on_new, "fitted_error": found.mean_squared_error}
    facts = {"model": stage.model, "steps": num_steps, "images": num_steps * size, **facts}
    clock.done([run.vision], facts, states=[fit.state_path])
