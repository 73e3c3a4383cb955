"""The learner `imagine`: C learns by gradient in dreams, with a critic that says what comes after their horizon."""

import time

import numpy as np
import torch
from torch import Tensor

from reverie.devices import is_asynchronous
from reverie.dream.imagine import require_rewards
from reverie.envs.registry import spec_of
from reverie.metrics import Metrics
from reverie.models.controller import Controller
from reverie.models.files import load_members, load_memory, save_controller
from reverie.progress import Progress
from reverie.run.folder import RunFolder
from reverie.training.controller.curve import CurveOnTheWay
from reverie.training.controller.finals import finalists
from reverie.training.controller.imagine.actor_critic import DreamWorld
from reverie.training.controller.imagine.kept import Imagination
from reverie.training.controller.laps import lap_files
from reverie.training.controller.search_world import SearchWorld
from reverie.training.controller.standstill import standstill
from reverie.training.controller.validation import choose, is_spent, validate, worlds_of
from reverie.training.memory import world_of
from reverie.training.stage_clock import StageClock
from reverie.workers.contract import Workers

SNAPSHOT_SECONDS = 20.0
LOG_EVERY = 10
COSTS = ("dreamt", "frames", "decisions", "exploits")
"""Columns of the history that add up."""


def learn(run: RunFolder, workers: Workers, metrics: Metrics, *, quiet: bool) -> None:
    """Lets C learn for the recipe's steps, or goes on where it was cut; then other tracks than those of the evaluations
    choose among the best that it was."""
    config, stage = run.config, run.config.controller
    settings = stage.imagine
    started = time.monotonic()
    dreams = dreams_of(run)
    spec = spec_of(config.env)
    controller = Controller(stage.model, config.vision.net.z_size, config.memory.model.hidden_size, spec.actions)
    world, finals, road = worlds_of(run, workers)  # may refuse, as may what comes next: before the manifest says that
    kept = Imagination(run, controller, dreams, quiet=quiet)  # the stage runs
    clock = StageClock(run, "controller", since=started)
    metrics.rewind("controller", kept.step)
    curve = CurveOnTheWay(run)
    with Progress("controller", settings.steps, "steps", start=kept.step, quiet=quiet) as bar:
        saved, since, shown = time.monotonic(), time.monotonic(), dict[str, str]()
        if not kept.history:
            _evaluate(kept, world, metrics, {}, 0.0)
        while kept.step < settings.steps and not is_spent(kept.scores, stage.dream.patience):
            values = kept.learn()
            is_last = kept.step == settings.steps
            is_logged = (kept.step - 1) % LOG_EVERY == 0 or is_last
            if is_logged or not is_asynchronous(kept.device):
                shown = _shown(values, kept)
            if is_logged:
                metrics.log("controller", kept.step - 1, {f"controller/train/{k}": v for k, v in values.items()})
            if evaluate_now := kept.step % settings.eval_every == 0 or is_last:
                _evaluate(kept, world, metrics, values, time.monotonic() - since)
                since = time.monotonic()
            if evaluate_now or time.monotonic() - saved > SNAPSHOT_SECONDS:
                kept.save()
                clock.beat()
                saved = time.monotonic()
            if evaluate_now:
                curve.follow(len(kept.scores))
            bar.update(kept.step, **shown)
        kept.save()
        curve.finish(len(kept.scores))
        candidates = finalists(np.array(kept.evaluated), np.array(kept.scores), stage.search.finals)
        candidates = np.unique(candidates, axis=0)  # the way begins where the first of those evaluated is, too
        chosen = choose(finals, kept.space.params(candidates), stage.search.finals)
    save_controller(run.controller, controller, chosen.params, **world.made_with)
    costs, evaluating = world.columns(chosen.outcomes), int(kept.total("frames"))
    selects = world is road  # else what was driven on the way is only looked at beside the dreams
    facts = {
        "steps": kept.step,
        **{key: int(kept.total(key)) + costs.get(key, 0) for key in COSTS},
        "selecting_frames": costs["frames"] + (evaluating if selects else 0),
        "measuring_frames": 0 if selects else evaluating,
        "validation_score": round(chosen.score, 3),
        "stood_still": standstill(
            kept.scores, is_alike=len(set(kept.scores)) == 1, began_at_zero=stage.search.start.is_zero
        ),
        **world.made_with,
    }
    clock.done([run.controller, kept.path, *lap_files(run)], facts)


def dreams_of(run: RunFolder) -> DreamWorld:
    """What C learns in: dreams of those of the run's M's that take part. Raises UserError where M knows no rewards."""
    dream = run.config.controller.dream
    memories = [load_memory(run.memory, run.device), *load_members(run.path, run.device)]
    require_rewards(memories[0])
    return DreamWorld(
        memories=[memory.eval().requires_grad_(False) for memory in dream.taking_part(memories)],
        world=world_of(run.config.env),
        config=dream.dreaming,
        doubt=dream.doubt,
    )


def _evaluate(
    kept: Imagination, world: SearchWorld, metrics: Metrics, values: dict[str, Tensor], seconds: float
) -> None:
    """Lets C drive as it is now, without noise, on validation tracks, and adds a row to the history. `values`: what the
    last step found; `seconds`: since the last row. Raises UserError where C is no longer made of numbers, before
    anything is driven."""
    kept.require_numbers()
    started, config, history = time.monotonic(), world.run.config.controller, kept.history
    coordinates = kept.coordinates
    found = validate(world, kept.space.params(coordinates[None])[0], config.search.finals)
    seconds += time.monotonic() - started
    steps = kept.step - (history[-1]["step"] if history else 0)
    learning = {"dreamt": steps * config.imagine.batch * config.imagine.horizon, "exploits": int(kept.exploits)}
    history.append(
        {
            "step": kept.step,
            "hours": round((kept.total("seconds") + seconds) / 3600, 6),
            **{key: learning.get(key, 0) + found.costs.get(key, 0) for key in COSTS},
            **{key: round(float(values[key]), 6) if key in values else None for key in ("return", "reward", "std")},
            "seconds": round(seconds, 3),
            **found.scores,
        }
    )
    kept.evaluated.append(coordinates)
    kept.exploits = torch.zeros_like(kept.exploits)
    metrics.log("controller", max(0, kept.step - 1), found.logged)
    kept.save_controllers(**world.made_with)


def _shown(values: dict[str, Tensor], kept: Imagination) -> dict[str, str]:
    """What the progress says, the best score so far first."""
    shown = {name: f"{float(values[name]):.3g}" for name in ("return", "reward", "std") if name in values}
    return {"best": f"{max(kept.scores):.0f}", **shown}
