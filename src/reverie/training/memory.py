"""Stage memory: M learns to predict the encoded episodes."""

import torch

from reverie.data.batches import SequenceSampler
from reverie.data.latents import LatentStore
from reverie.metrics import Metrics, Progress
from reverie.models.files import save_memory
from reverie.models.mdn_rnn import Memory
from reverie.run_folder import RunFolder, StageClock
from reverie.seeding import torch_seeded
from reverie.training.loop import Fit
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

    train = sampler(0, num_train, config.seed)
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
    )
    with Progress("memory", stage.steps * timesteps, "steps", start=fit.step * timesteps, quiet=quiet) as bar:
        fit.run(metrics, bar, units_per_step=timesteps, beat=clock.beat)
    fit.save()
    save_memory(run.memory, memory)
    held_out = sampler(num_train, latents.num_episodes, config.seed + 1)
    losses = held_out_losses(memory, [held_out.batch(i).to(device) for i in range(HELD_OUT_BATCHES)])
    metrics.log("memory", stage.steps, {f"memory/held_out/{key}": value for key, value in losses.items()})
    clock.done([run.memory], {"steps": stage.steps, "timesteps": stage.steps * timesteps, "held_out": losses})


@torch.inference_mode()
def held_out_losses(memory: Memory, batches: list[SequenceBatch]) -> dict[str, float]:
    """M's losses, averaged over batches it has not been fitted on."""
    all_losses = [memory.loss(batch)[1] for batch in batches]
    return {key: sum(float(losses[key]) for losses in all_losses) / len(all_losses) for key in all_losses[0]}
