"""All stages in order: what `reverie train` does. A finished stage is not run again; a cut one goes on."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal

import numpy as np

from reverie.challenge import Challenge
from reverie.data.latents import LatentStore
from reverie.data.store import EpisodeStore
from reverie.devices import within_quota
from reverie.dream.plan import PlanConfig
from reverie.envs.challenges import require_challenge
from reverie.errors import UserError
from reverie.measure.score import Evaluation, evaluate, test_seeds
from reverie.metrics import Metrics
from reverie.notes import note
from reverie.policies import ExactPolicy
from reverie.run import settings
from reverie.run.folder import RunFolder, collecting_agent
from reverie.run.manifest import RECIPE, other_versions
from reverie.run.stages import AGENT_STAGES, REMADE, STAGES
from reverie.training.collect import collect
from reverie.training.controller.rollouts import Rollouts, agent_of, planning_agent
from reverie.training.controller.stage import train_controller
from reverie.training.encode import encode
from reverie.training.gates import require_sound
from reverie.training.memory import train_memory
from reverie.training.pictures import draw_pictures
from reverie.training.rounds import describe_rounds, select_round
from reverie.training.stage_clock import StageClock
from reverie.training.vision import forget_frames, train_vision
from reverie.workers.contract import Workers
from reverie.workers.make import make_workers
from reverie.writing import write_json

NEEDS = {
    "collect": (),
    "vision": ("collect",),
    "encode": ("collect", "vision"),
    "memory": ("vision", "encode"),
    "controller": ("vision", "memory"),
    "evaluate": AGENT_STAGES,
    "pictures": ("collect", "vision", "encode", "memory"),
}
"""What must be finished before a stage can start."""
DRIVING_STAGES = ("collect", "vision", "encode", "memory", "controller")
"""What it takes to drive."""
_OWN = ("workers", "device", "evaluate.tracks", "evaluate.first_seed")
"""Settings that a round may have otherwise than its run."""


def run_stages(
    run: RunFolder,
    names: tuple[str, ...] = STAGES,
    *,
    again: bool = False,
    more: int = 0,
    force: bool = False,
    scheduler: str | None = None,
    quiet: bool = False,
) -> None:
    """Runs the stages that are not finished. `again` first forgets them and all that was made from them; `more` lets
    the first of them, a finished fit, go on for so many epochs or steps, and forgets what was made from it. Episodes
    are run by the workers of a Dask `scheduler` where one is given.

    Raises UserError where a stage lacks what it needs, finds it damaged, or, without `force`, would only spend time on
    what has failed.
    """
    with run.locked(), within_quota():
        if again or more:
            _require_no_successor(run, names[0])
        if not again:
            for name in names:
                _check_done(run, name)
        begins = next((name for name in names if again or not run.is_done(name)), None)
        goes_on = names[0] if run.is_done(names[0]) and (more or run.is_given_settings) else None
        looked_at = [name for name in names if name in (begins, goes_on)]
        for name in looked_at:  # before anything is thrown away or opened again, or settings are kept that cannot be
            _check_needs(run, name)  # followed
        reopened = run.reopened_by_settings  # which may be what has failed, and is to go on
        ahead = (name for name in names if name in reopened or not run.is_done(name))
        first = names[0] if again or more else next(ahead, None)
        if first:
            _require_sound_needs(run, first, force)
        if again or goes_on:
            _check_data(run, names[0])
        if again:
            for name in names:
                run.forget(name)
        run.take_settings()
        if more:
            run.lengthen(names[0], more)
        todo = [name for name in names if not run.is_done(name)]
        if not todo:
            return
        if run.manifest["stages"] and (others := other_versions(run.manifest)):
            note(f"{run.path} was begun with {others}: what is made now may not be what it would have been with those")
        several = len(todo) > 1 or (todo[0] == "collect" and run.recipe.has_forerunner)
        parts = _part(run, todo[-1]) if several and not quiet else 0
        with Metrics(run.path) as metrics, make_workers(run.config.workers, scheduler) as workers:
            for name in todo:
                if name not in looked_at:
                    _check_needs(run, name)
                if name != first:
                    _require_sound_needs(run, name, force)
                _run(name, run, workers, metrics, quiet, parts, force)


def _part(run: RunFolder, name: str) -> int:
    """Which part of a whole training a stage is, from 1 on: what is trained before the run comes first."""
    before, config = 0, run.recipe
    while config := settings.forerunner_of(config):
        before += len(DRIVING_STAGES)
    return before + STAGES.index(name) + 1


def _check_needs(run: RunFolder, name: str) -> None:
    if name == "collect" and not run.recipe.has_forerunner:
        collecting_agent(run)
    for need in NEEDS[name]:
        run.require(need)
        run.verify(need)


def _require_sound_needs(run: RunFolder, name: str, force: bool) -> None:
    if name != "pictures":  # which show what has failed
        for need in NEEDS[name]:
            require_sound(run, need, force=force)


def _check_data(run: RunFolder, name: str) -> None:
    """Raises UserError where episodes or latents that a stage would read are damaged: that takes a while, and is found
    on the way in any case, but then what the stage had made is gone."""
    if "collect" in NEEDS[name]:
        EpisodeStore(run.rollouts).verify()
    if "encode" in NEEDS[name]:
        LatentStore(run.latents).verify()


def _check_done(run: RunFolder, name: str) -> None:
    """A finished stage must still be whole; one that can be made again is, if it is not."""
    if not run.is_done(name):
        return
    try:
        run.verify(name)
    except UserError:
        if name not in REMADE:
            raise
        run.reopen(name)


def _require_no_successor(run: RunFolder, name: str) -> None:
    """Raises UserError where another round goes on from what would be made anew."""
    if run.successor and name not in REMADE:
        raise UserError(
            f"{run.path} is a round that {run.successor} goes on from: leave it as it is, or begin all rounds anew "
            f"with `reverie collect --run {run.rounds.parent} --again`",
            usage=True,
        )


def _train_forerunner(run: RunFolder, workers: Workers, quiet: bool, parts: int, force: bool) -> None:
    """Trains the run whose agent takes part in collecting, a scout or the round before, or goes on where it was cut. It
    may have one itself."""
    forerunner = _open_forerunner(run)
    if run.recipe.rounds.num == 1 and not quiet:
        note(f"first its scout, by the recipe {run.recipe.collect.scout}: these stages come twice, up to controller")
    with forerunner.locked(), Metrics(forerunner.path) as metrics:
        for name in DRIVING_STAGES:
            if not forerunner.is_done(name):
                _check_needs(forerunner, name)
                _require_sound_needs(forerunner, name, force)
                _run(name, forerunner, workers, metrics, quiet, parts, force)
        require_sound(forerunner, "controller", force=force)
        forget_frames(forerunner)


def _open_forerunner(run: RunFolder) -> RunFolder:
    """That run: a new one, or what there is of it. Raises UserError where a round is not what its run says."""
    path, config = run.forerunner, settings.forerunner_of(run.recipe)
    assert path, "only a run with a forerunner trains one"
    assert config, "and then there is a recipe for it"
    if not (path / RECIPE).exists():
        return RunFolder.create(path, config, run.manifest["precision"])
    forerunner = RunFolder.open(path, run.recipe.device)
    if run.recipe.rounds.num > 1:
        ours, theirs = (settings.flatten(each) for each in (config, settings.load(str(path / RECIPE))))
        for key in ours:
            if ours[key] != theirs.get(key) and key not in _OWN:
                raise UserError(
                    f"{path} was made with {key} = {theirs.get(key)!r}, not {ours[key]!r} as {run.path} has it: "
                    f"restore the recipe.toml that was changed, or begin all rounds anew with `reverie collect --run "
                    f"{run.path} --again`"
                )
    return forerunner


def _run(name: str, run: RunFolder, workers: Workers, metrics: Metrics, quiet: bool, parts: int, force: bool) -> None:
    """Runs a stage, and says before it which of the command's `parts` it is; 0 to say nothing."""
    if name == "collect" and run.recipe.has_forerunner:
        _train_forerunner(run, workers, quiet, parts, force)
    if parts:
        note(f"part {_part(run, name)} of {parts}: {name} of {run.name}")
    stages: dict[str, Callable[[], object]] = {
        "collect": lambda: collect(run, workers, quiet=quiet),
        "vision": lambda: train_vision(run, metrics, quiet=quiet),
        "encode": lambda: encode(run, quiet=quiet),
        "memory": lambda: train_memory(run, metrics, quiet=quiet),
        "controller": lambda: train_controller(run, workers, metrics, quiet=quiet),
        "evaluate": lambda: evaluate_stage(run, workers, quiet=quiet),
        "pictures": lambda: pictures_stage(run),
    }
    stages[name]()


def evaluate_stage(run: RunFolder, workers: Workers, *, quiet: bool) -> Evaluation:
    """Scores the agent on the recipe's test tracks, drawn by Gymnasium itself, and keeps the result in the run; where
    the best round is to be found, scores that one, too."""
    clock, budget, facts = StageClock(run, "evaluate"), run.config.evaluate, {}
    if run.recipe.rounds.num > 1 and run.recipe.rounds.keep == "best" and not run.is_earlier_round:
        selected, facts = select_round(run, workers)
        if selected is not run:
            with selected.locked():
                facts["selected_mean"] = evaluate_stage(selected, workers, quiet=quiet).mean
    evaluation = evaluate_run(run, workers, num_tracks=budget.tracks, first_seed=budget.first_seed, quiet=quiet)
    write_json(run.evaluation, asdict(evaluation))
    if rounds := describe_rounds(run):
        facts["rounds"] = rounds
    clock.done([run.evaluation], {"mean": evaluation.mean, "ci95": evaluation.ci95, **facts})
    return evaluation


def evaluate_run(
    run: RunFolder,
    workers: Workers,
    *,
    num_tracks: int,
    first_seed: int,
    renderer: Literal["fast", "gymnasium"] = "gymnasium",
    plan: PlanConfig | None = None,
    controller: Path | None = None,
    challenge: Challenge | None = None,
    quiet: bool = False,
) -> Evaluation:
    """Scores the run's agent on test tracks, with a `plan` its M, which plans, or its V and M with another C of this
    run in the file `controller`; with a `challenge` on tracks that are shown so. Raises UserError where the world knows
    none."""
    if challenge:
        require_challenge(run.config.env, challenge)
    tracks = np.array(test_seeds(num_tracks, first_seed))
    env = replace(run.config.env, renderer=renderer)
    if plan:
        agent, params, policy = planning_agent(run, plan)
        name, device = f"{run.name}, planned", run.recipe.device
    else:
        agent, params = agent_of(run, controller)
        name = f"{run.name}, {controller.name}" if controller else run.name
        policy, device = ExactPolicy, "cpu"  # where it computes, wherever V and M are
    task = Rollouts(run, workers, agent.controller.config).task(params[None], tracks[None], env=env)
    return evaluate(replace(task, policy=policy, device=device, challenge=challenge), workers, name, quiet=quiet)


def pictures_stage(run: RunFolder) -> None:
    """Draws what V, M and C have learned."""
    clock = StageClock(run, "pictures")
    clock.done(draw_pictures(run), {})
