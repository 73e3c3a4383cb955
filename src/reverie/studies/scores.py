"""The scores of several agents on the same test tracks: read where they were measured before, driven where not.

Shapes: n tracks.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np

from reverie.challenge import IN_WORDS, Challenge
from reverie.notes import note
from reverie.run.evaluations import Kept, in_words, keep, kept, returns_by_track, worlds_of
from reverie.run.folder import RunFolder
from reverie.training.pipeline import evaluate_run
from reverie.workers.contract import Workers

RENDERER = "gymnasium"
_RENDERERS = (RENDERER, "fast")
LEAST = 30
"""Tracks, from seed 0 on, if nobody says how many and less are known."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Shared:
    """Returns of several agents on the same tracks."""

    renderer: str
    seeds: list[int]
    returns: list[np.ndarray]
    """(n,) of each agent."""


def common_returns(
    runs: Sequence[RunFolder],
    num: int | None,
    workers: Callable[[], AbstractContextManager[Workers]],
    *,
    quiet: bool = False,
) -> list[np.ndarray]:
    """The return of each run's agent on test tracks 0 to n - 1, drawn by Gymnasium: (n,) each. n is `num`, or as many
    as all of them have been evaluated on, but `LEAST` at least. What is driven for it is kept in the runs; `workers`
    are made if something is to be driven.

    Raises UserError where a run has no agent.
    """
    for run in runs:
        run.require_agent()
    known = [returns_by_track(kept(run), RENDERER) for run in runs]
    worlds = [worlds_of(run, RENDERER) for run in runs]
    num = num or max(LEAST, min(map(_unbroken, known)))
    if any(_unbroken(returns) < num for returns in known):
        with workers() as made:
            for run, returns, world in zip(runs, known, worlds, strict=True):
                if missing := [seed for seed in range(num) if seed not in returns]:
                    first, last, agent = missing[0], missing[-1], run.agent_digest
                    found = evaluate_run(run, made, num_tracks=last - first + 1, first_seed=first, quiet=quiet)
                    keep(run, found, agent)
                    world.add(in_words(found.versions))
                    returns |= dict(enumerate(found.returns, first))
    _say_of_worlds({run.name: found for run, found in zip(runs, worlds, strict=True)})
    return [np.array([returns[seed] for seed in range(num)]) for returns in known]


def shared_returns(runs: Sequence[RunFolder]) -> Shared | None:
    """What is known of all agents on the same tracks, drawn by Gymnasium if that is known. Nothing is driven for it."""
    known = [kept(run) for run in runs]
    found = (_shared(known, renderer, None) for renderer in _RENDERERS)
    return next(filter(None, found), None)


def challenged_returns(runs: Sequence[RunFolder]) -> dict[tuple[Challenge, str], list[np.ndarray]]:
    """What is known of the agents in challenges, by the challenge and who drew: the returns of each on the tracks that
    all of them drove so (n,). Nothing is driven for it."""
    known = [kept(run) for run in runs]
    found: dict[tuple[Challenge, str], list[np.ndarray]] = {}
    for challenge in IN_WORDS:
        for renderer in _RENDERERS:
            if shared := _shared(known, renderer, challenge):
                found[challenge, renderer] = shared.returns
    return found


def _shared(known: Sequence[Sequence[Kept]], renderer: str, challenge: Challenge | None) -> Shared | None:
    returns = [returns_by_track(one, renderer, challenge) for one in known]
    seeds = sorted(set.intersection(*map(set, returns)))
    if not seeds:
        return None
    return Shared(renderer=renderer, seeds=seeds, returns=[np.array([one[seed] for seed in seeds]) for one in returns])


def _say_of_worlds(worlds: Mapping[str, set[str]]) -> None:
    """Scores in other versions of the world are not put side by side without a word: name of a run -> those in which it
    was evaluated."""
    if len({world for found in worlds.values() for world in found}) > 1:
        of_each = "; ".join(f"{name} in {' and '.join(sorted(found))}" for name, found in worlds.items())
        note(f"these scores were measured in different versions of the world, which may differ ({of_each})")


def _unbroken(returns: dict[int, float]) -> int:
    """How many tracks from seed 0 on are known without a gap."""
    return next(seed for seed in range(len(returns) + 1) if seed not in returns)
