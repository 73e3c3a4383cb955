"""How C does where its learner does not learn: on validation tracks, on the way and in the finals.

Shapes: p parameters of C, f finalists.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from reverie.rollout import Outcome
from reverie.run.folder import RunFolder
from reverie.run.search import FinalsConfig
from reverie.seeding import VALIDATION_TRACKS
from reverie.training.controller.dreams import DreamRollouts
from reverie.training.controller.finals import better_half, heats
from reverie.training.controller.laps import Laps, lap_tracks
from reverie.training.controller.rollouts import Rollouts
from reverie.training.controller.search_world import SearchWorld
from reverie.workers.contract import Workers


class Finals(NamedTuple):
    """Where finalists drive."""

    tracks: np.ndarray
    """(t,)"""
    drive: Callable[[np.ndarray, np.ndarray], list[Outcome]]
    """Lets each of params (n, p) drive its own tracks (n, t): outcomes controller by controller."""


class Worlds(NamedTuple):
    """Where C is tried on the way, and where the finals are."""

    world: SearchWorld
    finals: Finals
    road: Rollouts


def worlds_of(run: RunFolder, workers: Workers) -> Worlds:
    """As the recipe says: the road, or dreams of it. Raises UserError where the run cannot be dreamt in so."""
    stage = run.config.controller
    road = Rollouts(run, workers, stage.model)
    world = DreamRollouts(road, workers) if stage.world == "dream" else road
    config = stage.search.finals
    if config.record:
        finals = Finals(lap_tracks(run), Laps(road, workers).drive)
    else:
        tracks = np.array(VALIDATION_TRACKS[config.eval_tracks : config.eval_tracks + config.tracks])
        finals = Finals(tracks, (road if config.world == "road" else world).validated)
    return Worlds(world, finals, road)


class Validation(NamedTuple):
    """What an evaluation found."""

    scores: dict[str, float]
    """`eval_mean_return`, which counts, and what is looked at beside it; exact: what is compared is not rounded."""
    costs: dict[str, int]
    """What the episodes cost, and how they were: columns of the log."""

    @property
    def logged(self) -> dict[str, float]:
        """The scores as metrics."""
        return {f"controller/validation/{key.removeprefix('eval_')}": score for key, score in self.scores.items()}


def validate(world: SearchWorld, params: np.ndarray, config: FinalsConfig) -> Validation:
    """Lets C with these params (p,) drive the validation tracks of evaluations, to their end."""
    tracks = np.array(VALIDATION_TRACKS[: config.eval_tracks])[None]
    found = {"eval_mean_return": world.validated(params[None], tracks), **world.watch(params[None], tracks)}
    scores = {key: float(np.mean([outcome.ret for outcome in outcomes])) for key, outcomes in found.items()}
    costs = [world.columns(outcomes) for outcomes in found.values()]
    return Validation(scores, {key: sum(cost[key] for cost in costs) for key in costs[0]})


class Chosen(NamedTuple):
    """Who won the finals."""

    params: np.ndarray
    """(p,)"""
    score: float
    outcomes: list[Outcome]
    """The episodes that this took."""


def choose(finals: Finals, params: np.ndarray, config: FinalsConfig) -> Chosen:
    """The best of the finalists with these params (f, p).

    The best of many scores flatters, and what it picks was lucky on those tracks: so those with the best scores, and
    means of some, which the noise of single steps has less of, drive on other tracks.
    """
    left, returns, outcomes = np.arange(len(params)), np.zeros((len(params), 0)), list[Outcome]()
    for heat in heats(config):
        if heat.start:
            kept = np.sort(np.argsort(-returns.mean(1), kind="stable")[: better_half(len(left))])
            left, returns = left[kept], returns[kept]
        found = finals.drive(params[left], np.repeat(finals.tracks[None, heat.start : heat.stop], len(left), 0))
        returns = np.concatenate([returns, np.array([one.ret for one in found]).reshape(len(left), -1)], 1)
        outcomes += found
    scores = returns.mean(1)
    return Chosen(params[left[scores.argmax()]], float(scores.max()), outcomes)


def is_spent(scores: Sequence[float], patience: int) -> bool:
    """Whether the last `patience` evaluations were no better than one before them; never with a patience of 0."""
    return bool(patience) and len(scores) - 1 - int(np.argmax(scores or [0])) >= patience
