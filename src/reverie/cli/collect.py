"""`reverie collect`: driving at random, and by an agent, kept as episodes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from reverie.cli.arguments import StageArguments, parse
from reverie.cli.stage import run_stage


@dataclass(frozen=True, kw_only=True)
class CollectArguments(StageArguments):
    """Which run, with what settings, and how to drive. What is left out stays as the recipe has it."""

    policy: Literal["menu", "walk", "mixed", "networks", "random"] | None = None
    """The report's action menu, a smooth random walk, half of each, random V, M and C, or any action at random."""
    episodes: int | None = None
    """Episodes to collect."""
    steps: int | None = None
    """Decisions of an episode at most."""
    hold: int | None = None
    """Decisions that the menu holds an action, or over which the walk forgets."""
    push: int | None = None
    """Decisions of full gas at the start of an episode."""
    stall_decisions: int | None = None
    """Decisions without progress after which an episode ends; 0 for never."""
    agent: str | None = None
    """A finished run whose agent drives a share of the episodes: its folder, or
    `pretrained` or `dreamt`, which ship."""
    agent_share: float | None = None
    """Share of the episodes that the agent drives, 0 to 1."""
    agent_noise: float | None = None
    """Noise on its actions that changes slowly: each episode draws its standard deviation from 0 up to this."""
    agent_steps: int | None = None
    """Decisions of an episode of the agent at most; 0 for as many as --steps."""
    seed: int | None = None
    """Seed of the whole run."""


def main(verb: str, arguments: Sequence[str]) -> None:
    """Runs stage collect."""
    args = parse(
        CollectArguments,
        arguments,
        verb,
        "Drive at random, or in part by an agent, and keep what was seen. Continues where it was cut.",
    )
    names = (
        "policy",
        "episodes",
        "steps",
        "hold",
        "push",
        "stall_decisions",
        "agent_share",
        "agent_noise",
        "agent_steps",
    )
    collect = {key: getattr(args, key) for key in names}
    if args.agent is not None:
        collect["agent"] = json.dumps(args.agent, ensure_ascii=False)  # quoted: a folder may look like a number
    overrides = [f"collect.{key}={value}" for key, value in collect.items() if value is not None]
    overrides += [f"seed={args.seed}"] if args.seed is not None else []
    run_stage(verb, args.open(verb, *overrides), args)
