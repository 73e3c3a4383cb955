"""How an agent drives where the world is shown otherwise than it has learned it: what was measured, beside what others
had, and what such a world looks like to its V.

Shapes: n tracks, t decisions; frames are (64, 64, 3) uint8.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reverie.agent import Agent
from reverie.challenge import IN_WORDS, Challenge
from reverie.data.episode import Episode
from reverie.envs.config import EnvConfig
from reverie.envs.registry import make_vector_env, spec_of
from reverie.measure.statistics import mean_text
from reverie.models.coding import reconstruct
from reverie.run.evaluations import Kept, kept, returns_by_track
from reverie.run.folder import RunFolder
from reverie.show.latent_sheets import shown_otherwise

PUBLISHED: dict[Challenge, tuple[str, str]] = {
    "colour": ("655 ± 353", "866 ± 112"),
    "colour3": ("394 ± 413", "673 ± 372"),
    "bars": ("166 ± 137", "900 ± 35"),
    "blob": ("446 ± 299", "898 ± 53"),
    "noise": ("", "-58 ± 12"),
}
"""World Models and AttentionAgent on their road, mean and standard deviation over 100 tracks: Tang, Nguyen & Ha 2020,
and the table beside its code, CarRacingExtension/README.md of github.com/google/brain-tokyo-workshop."""
SOURCE = (
    "World Models and AttentionAgent: mean and standard deviation over 100 tracks, as published by Tang, Nguyen and "
    "Ha (2020, arXiv:2003.08165) and beside their code (AttentionAgent in github.com/google/brain-tokyo-workshop). "
    "Their other scores are 901 ± 37 and 914 ± 15 where nothing is changed. What each challenge is, and where ours "
    "differs from theirs: docs/car_racing.md."
)
SHOWN_AFTER = 30
"""Decisions of a drive."""


def challenged(run: RunFolder) -> list[Kept]:
    """What was measured in each challenge, on the most tracks that one who draws drew; Gymnasium's before ours where
    they are as many."""
    best: dict[Challenge, Kept] = {}
    for one in kept(run):
        name = one["challenge"]
        if name and (name not in best or _weight(one) > _weight(best[name])):
            best[name] = one
    return [best[name] for name in IN_WORDS if name in best]


def table(run: RunFolder) -> list[Sequence[str]]:
    """A header, and a row for each challenge that was measured, with what the same tracks score as they are, if that
    is known."""
    plain, challenges = kept(run), challenged(run)
    with_paper = spec_of(run.config.env).in_paper
    head = ["challenge", "what is shown", "tracks", "score, 95% interval", "standard deviation", "as it is"]
    rows: list[Sequence[str]] = [head + (["World Models", "AttentionAgent"] if with_paper else [])]
    for one in challenges:
        name: Challenge = one["challenge"]
        seeds = range(one["first_seed"], one["first_seed"] + one["num_tracks"])
        known = returns_by_track(plain, one["renderer"])
        same = [known[seed] for seed in seeds if seed in known]
        row = [
            name,
            IN_WORDS[name],
            f"{one['num_tracks']}, drawn by {one['renderer']}",
            mean_text(one["mean"], one["ci95"]),
            f"{one['std']:.0f}",
            f"{np.mean(same):.0f}" if len(same) == len(seeds) else "not measured",
        ]
        rows.append(row + (list(PUBLISHED.get(name, ("", ""))) if with_paper else []))
    return rows


def draw(path: Path, agent: Agent, env: EnvConfig, drive: Episode, seed: int) -> None:
    """The same moment of a drive shown in every way, above what V makes of it."""
    ways: dict[str, Challenge | None] = {"as it is": None, **{name: name for name in IN_WORDS}}
    frames = {label: _shown(env, drive, seed, name) for label, name in ways.items()}
    shown_otherwise(path, frames, reconstruct(agent.vision, np.stack(list(frames.values()))))


def _shown(env: EnvConfig, drive: Episode, seed: int, challenge: Challenge | None) -> np.ndarray:
    world = make_vector_env(env, 1, challenge)
    frame = world.reset([0], [seed])[0]
    for act in drive.act[:SHOWN_AFTER]:
        step = world.step([0], act[None])
        frame = step.obs[0]
        if step.end[0] or step.trunc[0]:
            break
    world.close()
    return frame


def _weight(one: Kept) -> tuple[int, bool]:
    return one["num_tracks"], one["renderer"] == "gymnasium"
