"""`reverie recipes`: what there is to cook, what it costs and what it scored."""

from collections.abc import Sequence
from dataclasses import dataclass

from reverie.cli.arguments import parse, print_json


@dataclass(frozen=True, kw_only=True)
class RecipesArguments:
    """How to print."""

    json: bool = False
    """Print one JSON object: recipe -> description, parameter counts, budget, measured cost and score."""


def main(verb: str, arguments: Sequence[str]) -> None:
    """Prints the recipes."""
    args = parse(RecipesArguments, arguments, verb, "List the recipes that ship.")
    from reverie import recipes
    from reverie.training.budget import budget, parameter_counts

    table = {}
    for name in recipes.names():
        config = recipes.load(name)
        table[name] = {
            "description": config.description,
            **parameter_counts(config),
            "budget": budget(config),
            "measured": recipes.measured(name),
        }
    if args.json:
        print_json(table)
        return
    from rich.console import Console
    from rich.table import Table

    shown = Table(
        "recipe", "what for", "V", "M", "C", "collect", "evolve at most", "measured", box=None, pad_edge=False
    )
    for name, row in table.items():
        cost, minutes = row["budget"], row["budget"]["controller_minutes"]
        shown.add_row(
            name,
            row["description"],
            *(f"{row[part]:,}" for part in ("vision", "memory", "controller")),
            f"{cost['collect_frames'] / 1e6:.3g} M frames",
            f"{cost['controller_frames'] / 1e6:.3g} M frames" + (f", {minutes:g} min" if minutes else ""),
            _measured(row["measured"]),
        )
    Console().print(shown)


def _measured(row: dict) -> str:
    if not row:
        return "not yet run to its end"
    low, high = row["ci95"]
    score = f"{row['mean']:.0f} [{low:.0f}, {high:.0f}] on {row['tracks']} tracks"
    return f"{score}; {row['minutes']:.0f} min on {row['cores']} cores"
