"""Stage memory: M learns to predict the encoded episodes, and the moments at which dreams begin are laid by."""

from collections.abc import Sequence

import torch

from reverie.checkpoint import file_sha256
from reverie.data.batches import SequenceSampler
from reverie.data.latents import LatentStore
from reverie.dream.starts import CONTEXT, World, make_starts, save_starts
from reverie.envs.config import EnvConfig
from reverie.envs.registry import action_bounds
from reverie.metrics import Metrics, Progress
from reverie.models.files import save_memory
from reverie.models.mdn_rnn import Memory
from reverie.run_folder import RunFolder, StageClock
from reverie.seeding import torch_seeded
from reverie.training.loop import Fit, HeldOut
from reverie.training.vision import num_train_episodes
from reverie.types import SequenceBatch

HELD_OUT_BATCHES = 4


def train_memory(run: RunFolder, metrics: Metrics, *, quiet: bool, device: str = "cpu") -> None:
    """Fits M for the recipe's steps, or goes on where it was cut."""
    config, clock, stage = run.config, StageClock(run, "memory"), run.config.memory
    latents = LatentStore(run.latents)
    latents.verify()
    num_train = num_train_episodes(latents.num_episodes)

    def sampler(first: int, last: int, seed: int) -> SequenceSampler:
        return SequenceSampler(latents, stage.fit.batch_size, stage.length, seed, episodes=range(first, last))

    train, held_out = sampler(0, num_train, config.seed), sampler(num_train, latents.num_episodes, config.seed + 1)
    held_out_batches = [held_out.batch(i).to(device) for i in range(HELD_OUT_BATCHES)]
    with torch_seeded(config.seed, "memory"):
        memory = Memory(stage.model, latents.z_size, latents.a_size).to(device)
    timesteps = stage.fit.batch_size * stage.length
    fit = Fit(
        "memory",
        memory,
        stage.fit,
        loss=memory.loss,
        batch=lambda step: train.batch(step).to(device),
        num_steps=stage.steps,
        state_path=run.path / "memory.optimizer.safetensors",
        held_out=HeldOut(
            losses=lambda: held_out_losses(memory, held_out_batches), every=stage.eval_every, patience=stage.patience
        ),
    )
    with Progress("memory", stage.steps * timesteps, "steps", start=fit.step * timesteps, quiet=quiet) as bar:
        fit.run(metrics, bar, units_per_step=timesteps, beat=clock.beat)
    fit.save()
    save_memory(run.memory, memory, vision_sha256=file_sha256(run.vision))
    starts = make_starts(memory.cpu(), latents, stage.starts, config.seed, _context(latents))
    save_starts(run.dream, starts, world_of(config.env), run.memory)
    facts = {
        "steps": fit.step,
        "best_step": fit.best_step,
        "timesteps": fit.step * timesteps,
        "held_out": held_out_losses(memory, [batch.to("cpu") for batch in held_out_batches]),
    }
    clock.done([run.memory, run.dream], facts)


def _context(latents: LatentStore) -> int:
    """Decisions that M watches before a dream begins: fewer where all episodes are shorter."""
    return min(CONTEXT, int((latents.offsets[1:] - latents.offsets[:-1]).max()) - 2)


def world_of(env: EnvConfig) -> World:
    """What a dream needs to know of an environment."""
    low, high = action_bounds(env)
    return World(
        env_id=env.id,
        action_low=low,
        action_high=high,
        action_repeat=env.action_repeat,
        max_decisions=-(-env.max_frames // env.action_repeat),
    )


@torch.inference_mode()
def held_out_losses(memory: Memory, batches: Sequence[SequenceBatch]) -> dict[str, float]:
    """M's losses, averaged over batches it has not been fitted on."""
    all_losses = [memory.loss(batch)[1] for batch in batches]
    return {key: sum(float(losses[key]) for losses in all_losses) / len(all_losses) for key in all_losses[0]}
