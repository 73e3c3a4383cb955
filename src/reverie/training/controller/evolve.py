"""The learner `search`: C learns to drive by evolution, on the return alone, on the road or in dreams of it."""

import time
from typing import Any

import numpy as np

from reverie.envs.registry import spec_of
from reverie.metrics import Metrics
from reverie.models.controller import Controller
from reverie.models.files import save_controller
from reverie.progress import Progress
from reverie.rollout import Outcome
from reverie.run.folder import RunFolder
from reverie.run.search import SearchConfig
from reverie.show.paper import hours_of_paper
from reverie.training.controller.curve import CurveOnTheWay
from reverie.training.controller.fitness import longest, measure, num_tracks, tracks_of
from reverie.training.controller.forecast import seconds_left
from reverie.training.controller.laps import lap_files
from reverie.training.controller.search import Evolution
from reverie.training.controller.search_world import SearchWorld
from reverie.training.controller.standstill import standstill
from reverie.training.controller.validation import choose, is_spent, validate, worlds_of
from reverie.training.stage_clock import StageClock
from reverie.workers.contract import Workers

SNAPSHOT_SECONDS = 20.0


def evolve(run: RunFolder, workers: Workers, metrics: Metrics, *, quiet: bool) -> None:
    """Evolves C until the generations or the minutes are used up, or goes on where it was cut; then other tracks than
    those of the evaluations choose among its best centers."""
    config, stage = run.config, run.config.controller
    search, model = stage.search, config.memory.model
    spec = spec_of(config.env)
    controller = Controller(stage.model, config.vision.net.z_size, model.hidden_size, spec.actions)
    started = time.monotonic()
    evolution = Evolution(run, controller, quiet=quiet)  # may refuse: before the manifest says that the stage runs
    world, finals, road = worlds_of(run, workers)
    clock = StageClock(run, "controller", since=started)
    metrics.rewind("controller", evolution.generation)
    saved, begun, curve = time.monotonic(), evolution.generation, CurveOnTheWay(run)
    with Progress("controller", search.generations, "generations", start=begun, quiet=quiet) as bar:
        while not evolution.history or (
            evolution.generation < search.generations
            and not _out_of_time(clock, search.minutes)
            and not is_spent(evolution.scores, stage.dream.patience if stage.world == "dream" else 0)
        ):
            row = _generation(evolution, world, metrics)
            if evaluate_now := evolution.generation % search.finals.eval_every == 0:
                _evaluate_center(evolution, world, metrics)
            bar.update(evolution.generation, **_shown(row, evolution, in_paper=spec.in_paper and world is road))
            _foresee(bar, search, evolution, clock, begun)
            if evaluate_now or time.monotonic() - saved > SNAPSHOT_SECONDS:
                evolution.save()
                clock.beat()
                saved = time.monotonic()
            if evaluate_now:
                curve.follow(len(evolution.scores))
        if evolution.history[-1]["eval_mean_return"] is None:
            _evaluate_center(evolution, world, metrics)
        evolution.save()
        curve.finish(len(evolution.scores))
        chosen = choose(finals, evolution.space.params(evolution.finalists(search.finals)), search.finals)
    save_controller(run.controller, controller, chosen.params, **world.made_with)
    costs = world.columns(chosen.outcomes)
    facts = {
        "generations": evolution.generation,
        **{key: int(evolution.total(key)) + value for key, value in costs.items()},
        "validation_score": round(chosen.score, 3),
        "stood_still": standstill(
            [row["mean_return"] for row in evolution.history],
            is_alike=not any(row["std_return"] for row in evolution.history),
            began_at_zero=search.start.is_zero,
        ),
        **world.made_with,
    }
    if world is not road:  # in the search itself, only what is looked at beside the dreams was driven
        facts |= {"selecting_frames": costs["frames"], "measuring_frames": int(evolution.total("frames"))}
    clock.done([run.controller, evolution.path, *lap_files(run)], facts)


def _generation(evolution: Evolution, world: SearchWorld, metrics: Metrics) -> dict[str, Any]:
    """Asks, drives, tells, and adds a row to the history."""
    config, search, history = world.run.config, world.run.config.controller.search, evolution.history
    started = time.monotonic()
    candidates = evolution.strategy.ask()
    params = evolution.space.params(candidates)
    num = num_tracks(search.tracks, history)
    tracks = tracks_of(search.tracks, config.seed, evolution.generation, evolution.strategy.pairs, num)
    limit = longest(search.cap_length, history, config.env.action_repeat)

    def evaluate(rows: np.ndarray, seeds: np.ndarray) -> list[Outcome]:
        return world.outcomes(params[rows], seeds, stall_decisions=search.stall_decisions or None, max_decisions=limit)

    found = measure(evaluate, tracks, race=search.race, kind=search.fitness)
    evolution.strategy.tell(candidates, found.fitness)
    columns = world.columns(found.outcomes)
    steps = columns["frames"] or config.env.action_repeat * columns["dreamt"]
    row = {
        "generation": evolution.generation + 1,
        "hours": round((evolution.total("seconds") + time.monotonic() - started) / 3600, 6),
        "mean_return": round(float(found.fitness.mean()), 3),
        "min_return": round(float(found.fitness.min()), 3),
        "max_return": round(float(found.fitness.max()), 3),
        "std_return": round(float(found.fitness.std()), 3),
        "sigma": round(evolution.strategy.spread, 6),
        "mean_steps": round(steps / len(found.outcomes), 2),
        **columns,
        "tracks": tracks.shape[1],
        "episodes": len(found.outcomes),
        "signal": found.signal,  # exact, as tracks are counted by them
        "noise": found.noise,
        "seconds": round(time.monotonic() - started, 3),
        "eval_mean_return": None,
        **dict.fromkeys(world.watched),
    }
    history.append(row)
    logged = ("mean_return", "max_return", "sigma", "mean_steps", "tracks", "signal", "noise", "exploits")
    logged = tuple(key for key in logged if key in row)
    metrics.log("controller", evolution.generation - 1, {f"controller/train/{key}": row[key] for key in logged})
    return row


def _evaluate_center(evolution: Evolution, world: SearchWorld, metrics: Metrics) -> None:
    """Drives the center on the validation tracks, to their end; a search that retrains goes back to the best one where
    this one is worse."""
    started, config = time.monotonic(), world.run.config.controller.search.finals
    center = evolution.strategy.center
    found, row = validate(world, evolution.space.params(center[None])[0], config), evolution.history[-1]
    row |= found.scores | {key: row[key] + cost for key, cost in found.costs.items()}
    row["seconds"] = round(row["seconds"] + time.monotonic() - started, 3)
    evolution.evaluated.append(center)
    metrics.log("controller", evolution.generation - 1, found.logged)
    if config.retrain and row["eval_mean_return"] < max(evolution.scores):
        evolution.strategy.recenter(evolution.best)
    evolution.save_controllers(**world.made_with)


def _shown(row: dict[str, Any], evolution: Evolution, *, in_paper: bool) -> dict[str, str]:
    """What the progress says, the best score so far first; when the paper's own search had come as far, by its log,
    too."""
    best = max(evolution.scores, default=None)
    hours = hours_of_paper(best) if in_paper and best is not None else None
    shown = {
        "best": "not yet known" if best is None else f"{best:.0f}" + (f" (paper: {hours:.0f} h)" if hours else ""),
        "mean": f"{row['mean_return']:.0f}",
        "max": f"{row['max_return']:.0f}",
        "tracks": f"{row['tracks']}",
        "sigma": f"{row['sigma']:.3f}",
    }
    unit = "frames" if "dreamt" not in row else "dreamt"
    shown[f"{unit}/s"] = f"{row[unit] / row['seconds']:,.0f}"
    return shown


def _foresee(bar: Progress, search: SearchConfig, evolution: Evolution, clock: StageClock, begun: int) -> None:
    """Says how long it will go on: as the search goes, or until its minutes are over if that is earlier."""
    left = seconds_left(search, evolution.history, begun)
    if left is not None and search.minutes and left > (until := max(0.0, 60 * search.minutes - clock.seconds)):
        bar.limit(clock.seconds / 60, search.minutes, "minutes")
        left = until
    bar.expect(left)


def _out_of_time(clock: StageClock, minutes: float) -> bool:
    return bool(minutes) and clock.seconds > 60 * minutes
