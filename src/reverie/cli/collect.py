"""`reverie collect`: random driving, kept as episodes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from reverie.cli.arguments import StageArguments, parse
from reverie.cli.stage import run_stage


@dataclass(frozen=True, kw_only=True)
class CollectArguments(StageArguments):
    """Which run, with what settings, and how to drive. What is left out stays as the recipe has it."""

    policy: Literal["menu", "walk", "mixed", "networks"] | None = None
    """The report's action menu, a smooth random walk, half of each, or random V, M and C."""
    episodes: int | None = None
    """Episodes to collect."""
    steps: int | None = None
    """Decisions of an episode at most."""
    hold: int | None = None
    """Decisions that the menu holds an action, or over which the walk forgets."""
    push: int | None = None
    """Decisions of full gas at the start of an episode."""
    patience: int | None = None
    """Decisions without progress after which an episode ends; 0 for never."""
    seed: int | None = None
    """Seed of the whole run."""
    workers: int | None = None
    """Processes; -1 for one a core, 0 for none but the main one."""


def main(verb: str, arguments: Sequence[str]) -> None:
    """Runs stage collect."""
    args = parse(
        CollectArguments, arguments, verb, "Drive at random and keep what was seen. Continues where it was cut."
    )
    collect = {key: getattr(args, key) for key in ("policy", "episodes", "steps", "hold", "push", "patience")}
    whole = {key: getattr(args, key) for key in ("seed", "workers")}
    overrides = [f"collect.{key}={value}" for key, value in collect.items() if value is not None]
    overrides += [f"{key}={value}" for key, value in whole.items() if value is not None]
    run_stage(verb, args.open(*overrides), args)
