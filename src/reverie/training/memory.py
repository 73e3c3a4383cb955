"""Stage memory: M learns to predict the encoded episodes, and the moments at which dreams begin are laid by."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reverie.checkpoint import file_sha256
from reverie.data.batches import SequenceSampler
from reverie.data.failures import lost
from reverie.data.latents import LatentStore
from reverie.data.split import split
from reverie.devices import sent
from reverie.dream.moments import DREAM, World, context_of, make_moments, save_moments
from reverie.dream.near_failures import Failures
from reverie.envs.config import EnvConfig
from reverie.envs.registry import spec_of
from reverie.measure.health import foresight
from reverie.metrics import Metrics
from reverie.models.files import MEMORY, load_memory, numbered, save_memory
from reverie.models.mdn_rnn import Memory
from reverie.progress import Progress
from reverie.run.folder import RunFolder, round_before
from reverie.run.recipe import MemoryStage
from reverie.seeding import generator, torch_seeded
from reverie.training.identity import identity
from reverie.training.loop import Fit, HeldOut
from reverie.training.stage_clock import StageClock
from reverie.types import SequenceBatch

HELD_OUT_BATCHES = 4


def train_memory(run: RunFolder, metrics: Metrics, *, quiet: bool) -> None:
    """Fits M, and the further members of its ensemble, for the recipe's steps, or goes on where it was cut."""
    clock, stage = StageClock(run, "memory"), run.config.memory
    latents = LatentStore(run.latents)
    latents.verify()
    facts, files, states = {}, [], []
    for member in range(stage.members):
        found = _train_member(run, latents, member, metrics, clock, quiet)
        if member == 0:
            facts |= found
        else:
            name = f"member_{member}"
            facts |= {f"{name}_loss": found["held_out"]["loss"], f"{name}_foresight": found["foresight"]}
        files += [run.path / numbered(name, member) for name in (MEMORY, DREAM)]
        states.append(_state_path(run, member))
    clock.done(files, facts, states=states)


def _state_path(run: RunFolder, member: int) -> Path:
    return run.path / numbered("memory.optimizer.safetensors", member)


def _train_member(
    run: RunFolder, latents: LatentStore, member: int, metrics: Metrics, clock: StageClock, quiet: bool
) -> dict[str, Any]:
    """Fits one M, in a later round from its weights in the one before, and lays by where its dreams begin; gives the
    facts about it. One that is finished is found so."""
    config, stage, device = run.config, run.config.memory, run.device
    on_device = partial(sent, device=device)
    before = round_before(run)
    fitted_on, unseen = split(latents.rounds)
    num_newest = int((fitted_on >= sum(latents.rounds[:-1])).sum()) if before else 0
    name = f"memory.{member}" if member else "memory"
    is_lost = lost_decisions(latents, config.env) if stage.failures_end else None
    batches = config.seed if member == 0 else int(generator(config.seed, "memory", member).integers(2**31))

    def sampler(episodes: np.ndarray, seed: int, noise: float, **more: Any) -> SequenceSampler:
        more |= {"latent_noise": noise, "to_ends": stage.to_ends, "lost": is_lost}
        return SequenceSampler(latents, stage.fit.batch_size, stage.length, seed, episodes=episodes, **more)

    def held_out(noise: float) -> list[SequenceBatch]:
        drawn = sampler(unseen, config.seed + 1, noise)
        return [drawn.batch(i) for i in range(HELD_OUT_BATCHES)]

    newest = {"newest": config.rounds.newest, "num_newest": num_newest}
    train = sampler(fitted_on, batches, stage.latent_noise, mirror=stage.mirror, **newest)
    held_out_batches = [batch.each(on_device) for batch in held_out(stage.latent_noise)]
    with torch_seeded(config.seed, name):
        memory = Memory(stage.model, latents.z_size, latents.a_size).to(device)
    if before:
        memory.load_state_dict(load_memory(before.path / numbered(MEMORY, member)).state_dict())
    timesteps = stage.fit.batch_size * stage.length
    fit = Fit(
        name,
        memory,
        stage.fit,
        loss=memory.loss,
        batch=lambda step: train.batch(step).each(on_device),
        num_steps=stage.steps,
        state_path=_state_path(run, member),
        of=identity(run, "memory", latents=latents.digest(), member=str(member)),
        held_out=HeldOut(
            losses=lambda: held_out_losses(memory, held_out_batches),
            every=stage.eval_every,
            patience_evals=stage.patience_evals,
        ),
    )
    with Progress(name, stage.steps * timesteps, "steps", start=fit.step * timesteps, quiet=quiet) as bar:
        fit.run(metrics, bar, units_per_step=timesteps, beat=clock.beat)
    path = run.path / numbered(MEMORY, member)
    save_memory(path, memory, vision_sha256=file_sha256(run.vision))
    moments = make_moments(
        memory.cpu(),
        latents,
        stage.dream_starts,
        config.seed,
        context_of(latents),
        action_repeat=config.env.action_repeat,
        mirror=stage.mirror,
        failures=_failures(stage, latents, config.env),
        lost=is_lost,
    )
    save_moments(run.path / numbered(DREAM, member), moments, world_of(config.env), path)
    return {
        "steps": fit.step,
        "best_step": fit.best_step,
        "timesteps": fit.step * timesteps,
        "held_out": held_out_losses(memory, [batch.each(torch.Tensor.cpu) for batch in held_out_batches]),
        "foresight": foresight(memory, held_out(0.0)),
    }


def _failures(stage: MemoryStage, latents: LatentStore, env: EnvConfig) -> Failures | None:
    """The moments about failures, where the stage has dreams begin there."""
    if not stage.dream_failures and not stage.dream_stuck:
        return None
    return Failures(before=stage.dream_failures, stuck=stage.dream_stuck, got_on=got_on(latents, env))


def got_on(latents: LatentStore, env: EnvConfig) -> np.ndarray:
    """Which decisions of the encoded episodes got on, as their world understands it, (d,) bool."""
    episodes = pairwise(latents.decision_offsets.tolist())
    return np.concatenate([spec_of(env).got_on(latents.rew[first:last]) for first, last in episodes])


def lost_decisions(latents: LatentStore, env: EnvConfig) -> np.ndarray:
    """The decisions of the encoded episodes after a failure, before the driver gets on again, (d,) bool."""
    on, episodes = got_on(latents, env), pairwise(latents.decision_offsets.tolist())
    return np.concatenate([lost(on[first:last], put_out=bool(latents.end[last - 1])) for first, last in episodes])


def world_of(env: EnvConfig) -> World:
    """What a dream needs to know of an environment."""
    spec = spec_of(env)
    return World(
        env_id=env.id,
        actions=spec.actions,
        action_repeat=env.action_repeat,
        max_decisions=-(-env.max_frames // env.action_repeat),
        frames_per_second=spec.frames_per_second,
        largest_return=spec.largest_return,
    )


@torch.inference_mode()
def held_out_losses(memory: Memory, batches: Sequence[SequenceBatch]) -> dict[str, float]:
    """M's losses, averaged over batches it has not been fitted on."""
    all_losses = [memory.loss(batch)[1] for batch in batches]
    return {key: sum(float(losses[key]) for losses in all_losses) / len(all_losses) for key in all_losses[0]}
