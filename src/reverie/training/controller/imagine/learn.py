"""The learner `imagine`: C learns by gradient in dreams, with a critic that says what comes after their horizon."""

import time

import numpy as np
from torch import Tensor

from reverie.dream.imagine import DreamConfig, require_rewards
from reverie.envs.registry import spec_of
from reverie.metrics import Metrics, Progress
from reverie.models.controller import Controller
from reverie.models.files import load_members, load_memory, save_controller
from reverie.run.folder import RunFolder
from reverie.seeding import VALIDATION_TRACKS
from reverie.training.controller.finals import finalists
from reverie.training.controller.imagine.actor_critic import DreamWorld
from reverie.training.controller.imagine.kept import Imagination
from reverie.training.controller.rollouts import Rollouts
from reverie.training.memory import world_of
from reverie.training.pictures import draw_learning_curve
from reverie.training.stage_clock import StageClock
from reverie.workers.contract import Workers

SNAPSHOT_SECONDS = 20.0
LOG_EVERY = 10


def learn(run: RunFolder, workers: Workers, metrics: Metrics, *, quiet: bool) -> None:
    """Lets C learn for the recipe's steps, or goes on where it was cut; then other tracks than those of the evaluations
    choose among the best that it was."""
    config, stage = run.config, run.config.controller
    settings = stage.imagine
    started = time.monotonic()
    dreams = dreams_of(run)
    world = spec_of(config.env)
    controller = Controller(stage.model, config.vision.net.z_size, config.memory.model.hidden_size, world.actions)
    kept = Imagination(run, controller, dreams, quiet=quiet)  # may refuse: before the manifest says that it runs
    clock = StageClock(run, "controller", since=started)
    metrics.rewind("controller", kept.step)
    rollouts = Rollouts(run, workers, controller.config)
    with Progress("controller", settings.steps, "steps", start=kept.step, quiet=quiet) as bar:
        saved, since = time.monotonic(), time.monotonic()
        if not kept.history:
            _evaluate(kept, rollouts, metrics, {}, 0.0)
        while kept.step < settings.steps:
            values = kept.learn()
            is_last = kept.step == settings.steps
            if (kept.step - 1) % LOG_EVERY == 0 or is_last:
                metrics.log("controller", kept.step - 1, {f"controller/train/{k}": v for k, v in values.items()})
            if evaluate_now := kept.step % settings.eval_every == 0 or is_last:
                _evaluate(kept, rollouts, metrics, values, time.monotonic() - since)
                since = time.monotonic()
            if evaluate_now or time.monotonic() - saved > SNAPSHOT_SECONDS:
                kept.save()
                clock.beat()
                saved = time.monotonic()
            if evaluate_now:
                draw_learning_curve(run)  # to look at while it goes on
            bar.update(kept.step, **_shown(values, kept))
        kept.save()
        chosen, score, frames = _choose(kept, rollouts)
    save_controller(run.controller, controller, chosen, **rollouts.made_with)
    frames += int(kept.total("frames"))
    facts = {
        "steps": kept.step,
        "dreamt": kept.step * settings.batch * settings.horizon,
        "frames": frames,
        "selecting_frames": frames,
        "validation_score": round(score, 3),
        **rollouts.made_with,
    }
    clock.done([run.controller, kept.path], facts)


def dreams_of(run: RunFolder) -> DreamWorld:
    """What C learns in: the run's M, with the members of its ensemble. Raises UserError where M knows no rewards."""
    memories = [load_memory(run.memory), *load_members(run.path)]
    require_rewards(memories[0])
    return DreamWorld(
        memories=[memory.eval().requires_grad_(False) for memory in memories],
        world=world_of(run.config.env),
        config=DreamConfig(),
    )


def _evaluate(
    kept: Imagination, rollouts: Rollouts, metrics: Metrics, values: dict[str, Tensor], seconds: float
) -> None:
    """Drives C as it is now, without noise, on the validation tracks, and adds a row to the history. `values`: what the
    last step found; `seconds`: since the last row."""
    started, config, history = time.monotonic(), rollouts.run.config.controller, kept.history
    tracks = np.array(VALIDATION_TRACKS[: config.search.finals.eval_tracks])
    coordinates = kept.coordinates
    outcomes = rollouts.outcomes(kept.space.params(coordinates[None]), tracks[None])
    score = float(np.mean([outcome.ret for outcome in outcomes]))
    seconds += time.monotonic() - started
    before = history[-1]["step"] if history else 0
    row = {
        "step": kept.step,
        "hours": round((kept.total("seconds") + seconds) / 3600, 6),
        "dreamt": (kept.step - before) * config.imagine.batch * config.imagine.horizon,
        "frames": sum(outcome.frames for outcome in outcomes),
        **{key: round(float(values[key]), 6) if key in values else None for key in ("return", "reward", "std")},
        "seconds": round(seconds, 3),
        "eval_mean_return": score,  # exact: what is compared is not rounded
    }
    history.append(row)
    kept.evaluated.append(coordinates)
    metrics.log("controller", max(0, kept.step - 1), {"controller/validation/mean_return": score})
    kept.save_controllers(**rollouts.made_with)


def _choose(kept: Imagination, rollouts: Rollouts) -> tuple[np.ndarray, float, int]:
    """The controller that is kept (p,), its score, and the frames that this took."""
    config = rollouts.run.config.controller.search.finals
    candidates = kept.space.params(finalists(np.array(kept.evaluated), np.array(kept.scores), config))
    tracks = np.array(VALIDATION_TRACKS[config.eval_tracks : config.eval_tracks + config.tracks])
    outcomes = rollouts.outcomes(candidates, np.repeat(tracks[None], len(candidates), 0))
    scores = np.array([outcome.ret for outcome in outcomes]).reshape(len(candidates), -1).mean(1)
    return candidates[scores.argmax()], float(scores.max()), sum(outcome.frames for outcome in outcomes)


def _shown(values: dict[str, Tensor], kept: Imagination) -> dict[str, str]:
    """What stands beside the progress bar."""
    shown = {name: f"{float(values[name]):.3g}" for name in ("return", "reward", "std") if name in values}
    return shown | {"best": f"{max(kept.scores):.0f}"}
