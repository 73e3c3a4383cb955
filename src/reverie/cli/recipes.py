"""`reverie recipes`: what there is to cook, what it costs and what it scored."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reverie.cli.arguments import parse, print_json
from reverie.notes import say


@dataclass(frozen=True, kw_only=True)
class RecipesArguments:
    """How to print."""

    json: bool = False
    """Print one JSON object: recipe -> description, parameter counts, budget, measured cost and score."""


def main(verb: str, arguments: Sequence[str]) -> None:
    """Prints the recipes."""
    args = parse(RecipesArguments, arguments, verb, "List the recipes that ship.")
    from reverie.run import settings
    from reverie.training.budget import budget, parameter_counts

    table = {}
    for name in settings.names():
        config = settings.load(name)
        table[name] = {
            "description": config.description,
            **parameter_counts(config),
            "budget": budget(config),
            "measured": settings.measured(name),
        }
    if args.json:
        print_json(table)
        return
    for name, row in table.items():
        say(_text(name, row), end="\n\n")


def _text(name: str, row: dict[str, Any]) -> str:
    """A paragraph for people."""
    cost, minutes = row["budget"], row["budget"]["controller_minutes"]
    before = f"first {cost['scout']}, up to its controller; " if cost["scout"] else ""
    if cost["rounds"] > 1:
        before = f"{cost['rounds']} rounds, {cost['real_frames']:,} real frames in all: "
    limit = f", {minutes:g} minutes at most" if minutes else ""
    lines = [
        f"{name}: {row['description']}",
        f"parameters  V {row['vision']:,}, M {row['memory']:,}, C {row['controller']:,}",
        f"budget      {before}collect {cost['collect_frames']:,} frames; V {cost['vision_images']:,} images; "
        f"M {cost['memory_timesteps']:,} timesteps; C {_learning(cost)}{limit}",
        f"measured    {_measured(row['measured'])}",
    ]
    return "\n  ".join(lines)


def _learning(cost: dict[str, Any]) -> str:
    """What the learner of C takes, on the road and in dreams."""
    units = {
        "controller_generations": "generations",
        "controller_frames": "frames",
        "dreamt_decisions": "dreamt decisions",
    }
    return ", ".join(f"{cost[key]:,} {unit}" for key, unit in units.items() if cost[key])


def _measured(row: dict[str, Any]) -> str:
    if "mean" not in row:
        return row.get("note", "not yet run to its end")
    low, high = row["ci95"]
    cores = "one core" if row["cores"] == 1 else f"{row['cores']} cores"
    cost = f"{row['minutes']:.0f} minutes on {cores} of {row['processor']}, {row['frames']:,} frames"
    note = f"; {row['note']}" if "note" in row else ""
    return f"{row['mean']:.0f}, 95% interval [{low:.0f}, {high:.0f}], {row['tracks']} test tracks; {cost}{note}"
