"""Who drives in the finals: the best of the centers that were evaluated, and means of some.

Shapes: e evaluated centers in the order of their generations, f finalists, x coordinates of the search.
"""

import numpy as np

from reverie.run.search import FinalsConfig


def finalists(centers: np.ndarray, scores: np.ndarray, config: FinalsConfig) -> np.ndarray:
    """Centers worth a longer look (f, x), of `centers` (e, x) with `scores` (e,).

    They are the ones with the best scores, and the means of `config.average` that were evaluated in a row (of all,
    where there are fewer), again those with the best scores. One center alone has no such mean.
    """
    num = config.finalists
    best = centers[np.argsort(scores)[::-1][:num]]
    if len(centers) < 2:
        return best
    starts = range(max(0, len(centers) - config.average) + 1)
    rows = sorted((slice(i, i + config.average) for i in starts), key=lambda row: -scores[row].mean())[:num]
    return np.concatenate([best, np.array([centers[row].mean(0) for row in rows])])


def num_finalists(num_evaluated: int, config: FinalsConfig) -> int:
    """How many they are of so many evaluated centers."""
    return len(finalists(np.zeros((num_evaluated, 1)), np.zeros(num_evaluated), config))
