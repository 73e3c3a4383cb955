"""What the paper published of its search, and logs like it.

Shapes: g generations.
"""

from collections.abc import Mapping
from functools import cache
from importlib import resources

import numpy as np

from reverie.reading import parse_csv

Log = Mapping[str, np.ndarray]
"""Columns (g,) of a log of evolution, by name; NaN where there is no value."""

PAPER_SCORE, PAPER_SPREAD = 906.0, 21.0
"""World Models, section 3.4, full world model: mean and standard deviation over 100 random tracks."""
PAPER_EPISODES = 64 * 16
"""Episodes of a generation in the paper: candidates x tracks (appendix A.4)."""


def read_log(text: str) -> dict[str, np.ndarray]:
    """Columns of a CSV with a header, as floats; an empty field is NaN."""
    return {key: np.array(column) for key, column in parse_csv(text).items()}


@cache
def paper_log() -> dict[str, np.ndarray]:
    """The paper's published log, with `frames` (cumulated) and `eval_mean_return` added."""
    folder = resources.files("reverie.reference")
    log = read_log((folder / "ha2018_carracing_log.csv").read_text(encoding="utf-8"))
    evaluations = read_log((folder / "ha2018_carracing_eval.csv").read_text(encoding="utf-8"))
    scores = dict(zip(evaluations["generation"], evaluations["eval_mean_return"], strict=True))
    log["frames"] = np.cumsum(PAPER_EPISODES * log["mean_steps"])
    log["eval_mean_return"] = np.array([scores.get(generation, np.nan) for generation in log["generation"]])
    return log


def hours_of_paper(score: float) -> float | None:
    """Hours on 64 cores after which the paper's own search, by its log, had a center that scored so much at least; for
    less than its first evaluation found, when its population's mean was there. None where it never did."""
    log = paper_log()
    first = np.flatnonzero(np.fmax(log["mean_return"], log["eval_mean_return"]) >= score)
    return float(log["hours"][first[0]]) if len(first) else None
