"""The rounds of a run side by side, and which of their agents drives best."""

from dataclasses import asdict
from typing import Any

import numpy as np
from rich.table import Table

from reverie.models.files import load_controller
from reverie.run.folder import RunFolder
from reverie.run.ledger import Ledger, own_ledger
from reverie.run.manifest import RECIPE
from reverie.seeding import VALIDATION_TRACKS
from reverie.training.controller.rollouts import Rollouts
from reverie.workers.contract import Workers


def rounds_of(run: RunFolder) -> list[RunFolder]:
    """The rounds of a run up to itself, as far as they are begun."""
    paths = [run.rounds / str(number) for number in range(run.recipe.rounds.num - 1)]
    return [*(RunFolder.open(path, run.recipe.device) for path in paths if (path / RECIPE).is_file()), run]


def describe_rounds(run: RunFolder) -> list[dict[str, Any]]:
    """What is known of each round of a run; empty for one without. JSON can hold it. Of a run that has left its rounds
    behind, what its manifest kept when it was scored."""
    if run.recipe.rounds.num == 1:
        return []
    rounds, evaluate = rounds_of(run), run.manifest["stages"].get("evaluate", {})
    if len(rounds) < len(kept := evaluate.get("rounds", [])):
        return [*kept[:-1], kept[-1] | {"score": evaluate["mean"]}]
    return [_described(each, after) for each, after in zip(rounds, [*rounds[1:], None], strict=True)]


def _described(run: RunFolder, after: RunFolder | None) -> dict[str, Any]:
    """`after` is the next round, which measures what this one's agent scores."""
    collect, vision, memory, controller, evaluate = (
        run.manifest["stages"].get(name, {}) for name in ("collect", "vision", "memory", "controller", "evaluate")
    )
    return {
        "round": run.recipe.rounds.num - 1,
        "run": run.name,
        "episodes": collect.get("episodes"),
        "ledger": asdict(own_ledger(run)),
        "vision_kept": vision.get("kept", False),
        "vision_error": vision.get("held_out_mean_squared_error"),
        "memory_loss": memory.get("held_out", {}).get("loss"),
        "steps": controller.get("generations", controller.get("steps")),
        "validation_score": controller.get("validation_score"),
        "laps": after.manifest["stages"].get("collect", {}).get("laps") if after else None,
        "score": evaluate.get("mean"),
    }


def table_of(rounds: list[dict[str, Any]]) -> Table:
    """The same for people: steps or generations of the search for C, the score by which it chose, the mean of real laps
    with its 95% interval and their number, the score on test tracks."""
    columns = ("round", "episodes", "frames", "V error", "M loss", "steps", "judged", "laps", "score")
    table = Table(*columns, box=None, pad_edge=False, header_style="dim")
    for found in rounds:
        error = _number(found["vision_error"], ".5f") + (" kept" if found["vision_kept"] else "")
        table.add_row(
            str(found["round"]),
            _number(found["episodes"], ","),
            f"{Ledger(**found['ledger']).frames:,}",
            error,
            _number(found["memory_loss"], ".3f"),
            _number(found["steps"], ","),
            _number(found["validation_score"], ".1f"),
            _laps(found["laps"]),
            _number(found["score"], ".1f"),
        )
    return table


def select_round(run: RunFolder, workers: Workers) -> tuple[RunFolder, dict[str, Any]]:
    """The round whose agent drives best on validation tracks that no search has seen, the later one of equals, and what
    the manifest says of that."""
    finals = run.config.controller.search.finals
    first = finals.eval_tracks + finals.tracks
    tracks = np.array(VALIDATION_TRACKS[first : first + run.recipe.rounds.keep_tracks])
    rounds, means, frames = _candidates(rounds_of(run)), list[float](), 0
    for each in rounds:
        each.require_agent()
        controller, params = load_controller(each.controller)
        outcomes = Rollouts(each, workers, controller.config).outcomes(params[None], tracks[None])
        means.append(float(np.mean([outcome.ret for outcome in outcomes])))
        frames += sum(outcome.frames for outcome in outcomes)
    best = rounds[len(means) - 1 - int(np.argmax(means[::-1]))]
    validated = {each.recipe.rounds.num - 1: mean for each, mean in zip(rounds, means, strict=True)}
    return best, {
        "selected_round": best.recipe.rounds.num - 1,
        "validated_rounds": {str(number): mean for number, mean in validated.items()},
        "selecting_frames": frames,
    }


def _candidates(rounds: list[RunFolder]) -> list[RunFolder]:
    """The rounds that may be the best one, in order: where their finals were driven on the road, the two whose agents
    did best there."""
    if rounds[-1].config.controller.search.finals.world != "road":
        return rounds
    scores = [each.stage("controller")["validation_score"] for each in rounds]
    return [rounds[i] for i in np.sort(np.argsort(scores, kind="stable")[-2:])]


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _laps(laps: dict[str, Any] | None) -> str:
    if not laps:
        return ""
    half = f" ± {laps['ci95'][1] - laps['mean']:.0f}" if laps["ci95"] else ""
    return f"{laps['mean']:.0f}{half} ({len(laps['returns'])})"
