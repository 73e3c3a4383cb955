"""What came of a run, in numbers for programs and in a table for people."""

from dataclasses import asdict
from typing import Any

from reverie.notes import console
from reverie.run.evaluations import kept, read, score
from reverie.run.folder import RunFolder
from reverie.run.ledger import Ledger, ledger, minutes
from reverie.run.stages import CHECKSUMS, STAGES
from reverie.training.rounds import describe_rounds, rounds_of, table_of

_FACTS_APART = ("status", "seconds", *CHECKSUMS, "evaluations")
_MEASURED = ("renderer", "challenge", "num_tracks", "first_seed", "mean", "std", "ci95")
"""What a summary says of each evaluation that is kept."""


def summarise(run: RunFolder) -> dict[str, Any]:
    """Score (on the most tracks that it was measured on), cost and state of a run; JSON can hold it. Minutes are wall
    time, frames are simulator steps, and both count what was trained before it."""
    stages = {name: run.manifest["stages"].get(name, {"status": "new", "seconds": 0.0}) for name in STAGES}
    cost = ledger(run)
    return {
        "run": run.name,
        "recipe": run.config.name,
        "seed": run.config.seed,
        "complete": all(stage["status"] == "done" for stage in stages.values()),
        "minutes": minutes(run),
        "frames": cost.frames,
        "ledger": asdict(cost),
        "evaluation": score(run),
        "evaluations": [{key: one[key] for key in _MEASURED} for one in kept(run)],
        "rounds": describe_rounds(run),
        "selected": _selected(run),
        "stages": {
            name: {
                "status": stage["status"],
                "seconds": stage["seconds"],
                "facts": {key: value for key, value in stage.items() if key not in _FACTS_APART},
            }
            for name, stage in stages.items()
        },
        "pictures": [str(path) for path in sorted(run.pictures.glob("*.png"))],
    }


def _selected(run: RunFolder) -> dict[str, Any] | None:
    """The round that drove best on validation tracks, and its score on test tracks, where that was asked for."""
    number = run.manifest["stages"].get("evaluate", {}).get("selected_round")
    if number is None:
        return None
    paths = [each.evaluation for each in rounds_of(run) if each.recipe.rounds.num == number + 1]
    return {"round": number, "evaluation": read(paths[0]) if paths and paths[0].is_file() else None}


def score_text(evaluation: dict[str, Any] | None) -> str:
    """The score with its interval and what it was measured on."""
    if evaluation is None:
        return "not evaluated yet"
    interval = "95% interval [{:.0f}, {:.0f}]".format(*evaluation["ci95"]) if evaluation["ci95"] else "no interval"
    tracks = f"{evaluation['num_tracks']} unseen tracks" if evaluation["num_tracks"] != 1 else "a single unseen track"
    return f"{evaluation['mean']:.1f}, {interval}, {tracks} of {evaluation['env_id']}"


def selected_text(selected: dict[str, Any]) -> str:
    """The round that drove best on validation tracks, and its score."""
    return f"round {selected['round']}: {score_text(selected['evaluation'])}"


def cost_text(found: dict[str, Any]) -> str:
    """Time and frames of a summary, and what the frames were for."""
    return f"{found['minutes']:.1f} minutes, {Ledger(**found['ledger']).text()}"


def show(run: RunFolder) -> None:
    """Prints the summary on standard output."""
    from rich.markup import escape
    from rich.table import Table

    found = summarise(run)
    wide = console(soft_wrap=True)
    state = "complete" if found["complete"] else "not complete"
    wide.print(f"[bold]{escape(found['run'])}[/bold]  recipe {escape(found['recipe'])}, {state}")
    wide.print(f"score     [bold]{score_text(found['evaluation'])}[/bold]")
    if found["selected"]:
        wide.print(f"selected  {selected_text(found['selected'])}")
    wide.print(f"cost      {cost_text(found)}")
    if found["pictures"]:
        wide.print(f"pictures  {escape(str(run.pictures))}")
    table = Table("stage", "status", "time", "what it says", box=None, pad_edge=False, header_style="dim")
    before = "scout's minutes" if run.recipe.rounds.num == 1 else "minutes of earlier rounds"
    for name, stage in found["stages"].items():
        facts = {before if key == "forerunner_minutes" else key: value for key, value in stage["facts"].items()}
        table.add_row(name, stage["status"], duration(stage["seconds"]), escape(_facts_text(facts)))
    for each in (table_of(found["rounds"]) if found["rounds"] else None, table):
        if each:
            wide.print()
            console().print(each)
    wide.print()
    resume = not found["complete"] and not run.is_packaged
    name = escape(found["run"])
    page = f", and a page of all that it has learned: reverie report {name}"
    wide.print(f"next: reverie train --run {name}" if resume else f"next: reverie watch {name}{page}")


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`, `2 h 05 min`; nothing for 0."""
    if not seconds:
        return ""
    if round(seconds) < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def _facts_text(facts: dict[str, Any]) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {_value(value)}" for key, value in facts.items() if _is_short(value))


def _is_short(value: Any) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and 0 < len(value) < 40)


def _value(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else str(value)
