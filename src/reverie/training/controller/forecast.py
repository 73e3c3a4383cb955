"""How long a search will go on, by how fast it has gone."""

from collections.abc import Mapping, Sequence
from typing import Any

from reverie.run.search import SearchConfig
from reverie.training.controller.finals import num_episodes, num_finalists
from reverie.training.controller.fitness import SMOOTHING, num_tracks, scheduled_tracks


def num_evaluations(search: SearchConfig) -> int:
    """Evaluations of the center in a whole search; the last one is at its end."""
    return -(-search.generations // search.finals.eval_every)


def final_episodes(search: SearchConfig) -> int:
    """Episodes of the finals of a whole search."""
    return num_episodes(num_finalists(num_evaluations(search), search.finals), search.finals)


def seconds_left(search: SearchConfig, history: Sequence[Mapping[str, Any]], begun: int) -> float | None:
    """Seconds until the finals are over, with what an episode took in the last generations since generation `begun`,
    the first of this sitting; None before there was one.

    Later generations drive on more tracks than earlier ones, and so take longer: what is counted is episodes. Those
    that a race saves are taken to be the share that it saved lately.
    """
    recent = history[begun:][-SMOOTHING:]
    if not recent:
        return None
    planned = sum(_episodes(search, row["generation"] - 1, row["tracks"]) for row in recent)
    tracks, done = search.tracks, len(history)
    now = num_tracks(tracks, history)
    left = final_episodes(search) + sum(
        _episodes(search, generation, now if tracks.signal_to_noise else scheduled_tracks(tracks, generation))
        for generation in range(done, search.generations)
    )
    return left * sum(row["seconds"] for row in recent) / planned


def _episodes(search: SearchConfig, generation: int, num: int) -> int:
    """Episodes of a generation on `num` tracks, without a race, and of the evaluation after it."""
    is_evaluated = (generation + 1) % search.finals.eval_every == 0 or generation + 1 == search.generations
    evaluation = search.finals.eval_tracks if is_evaluated else 0
    return search.strategy.settings.population * num + evaluation
