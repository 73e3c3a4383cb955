"""`reverie collect`: driving at random, and by an agent, kept as episodes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reverie.cli.arguments import StageArguments, parse
from reverie.cli.stage import run_stage
from reverie.errors import UserError


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
    from_minari: str | None = None
    """Take in the episodes of a dataset that Minari has on this machine, instead of driving. A row of it is a decision,
    of env.action_repeat frames."""
    from_npz: Path | None = None
    """Take in a folder of .npz files, an episode each, with obs, action, reward and done, instead of driving."""
    npz_rewards: Literal["of_action", "with_obs"] | None = None
    """What the reward and the end in a row of those files came of: of the action in that row, or `with_obs`, of the one
    before, together with the observation."""
    seed: int | None = None
    """Seed of the whole run."""


def main(verb: str, arguments: Sequence[str]) -> None:
    """Runs stage collect."""
    args = parse(
        CollectArguments,
        arguments,
        verb,
        "Drive at random, or in part by an agent, and keep what was seen; or take in what others have driven. "
        "Continues where it was cut.",
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
    for name in ("from_minari", "from_npz"):
        if (source := getattr(args, name)) is None:
            continue
        if driven := [key for key, value in collect.items() if value is not None]:
            option = driven[0].replace("_", "-")
            raise UserError(f"--{name.replace('_', '-')} takes in what there is: leave out --{option}", usage=True)
        collect[name] = json.dumps(str(source), ensure_ascii=False)
    collect["npz_rewards"] = args.npz_rewards
    if args.agent is not None:
        collect["agent"] = json.dumps(args.agent, ensure_ascii=False)  # quoted: a folder may look like a number
    overrides = [f"collect.{key}={value}" for key, value in collect.items() if value is not None]
    overrides += [f"seed={args.seed}"] if args.seed is not None else []
    run_stage(verb, args.open(verb, *overrides), args)
