"""Who drives in the finals: the best of the centers that were evaluated, means of some, and some of the way.

Shapes: e evaluated centers in the order of their generations, f finalists, x coordinates of the search.
"""

from itertools import pairwise

import numpy as np

from reverie.run.search import FinalsConfig


def finalists(centers: np.ndarray, scores: np.ndarray, config: FinalsConfig) -> np.ndarray:
    """Centers worth a longer look (f, x), of `centers` (e, x) with `scores` (e,).

    They are the ones with the best scores, and the means of `config.average` that were evaluated in a row (of all,
    where there are fewer), again those with the best scores; one center alone has no such mean. And `config.spread` of
    where the search was, from its beginning at zero on.
    """
    num = config.finalists
    groups = [centers[np.argsort(scores)[::-1][:num]]]
    if num and len(centers) > 1:
        starts = range(max(0, len(centers) - config.average) + 1)
        rows = sorted((slice(i, i + config.average) for i in starts), key=lambda row: -scores[row].mean())[:num]
        groups.append(np.array([centers[row].mean(0) for row in rows]))
    if config.spread:
        way = np.concatenate([np.zeros_like(centers[:1]), centers])
        groups.append(way[np.unique(np.linspace(0, len(way) - 1, config.spread).round().astype(int))])
    return np.concatenate(groups)


def num_episodes(num: int, config: FinalsConfig) -> int:
    """Episodes of finals among `num` of them."""
    episodes = 0
    for heat in heats(config):
        num = better_half(num) if heat.start else num
        episodes += num * len(heat)
    return episodes


def better_half(num: int) -> int:
    """How many of `num` go on after a heat."""
    return -(-num // 2)


def heats(config: FinalsConfig) -> list[range]:
    """The tracks of the finals, by their numbers, between which the worse half of those who are left drops out."""
    ends = [config.tracks]
    if config.halving:
        ends = [config.halving << i for i in range(config.tracks) if config.halving << i < config.tracks] + ends
    return [range(first, end) for first, end in pairwise([0, *ends])]


def num_finalists(num_evaluated: int, config: FinalsConfig) -> int:
    """How many they are of so many evaluated centers."""
    return len(finalists(np.zeros((num_evaluated, 1)), np.zeros(num_evaluated), config))
