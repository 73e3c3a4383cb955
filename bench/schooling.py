"""Dream and road over the rounds of runs, the picture of docs/dreams.md: `python -m bench.schooling PICTURE RUN...`.

Of each round, validation dreams of the centers of its search, by the judge where there is one, and what those centers
that drove in the finals on the road returned there on their first tracks; a ring is the one that was chosen.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reverie.data.store import EpisodeStore
from reverie.models.files import load_controller
from reverie.plotting import import_matplotlib
from reverie.run.folder import RunFolder
from reverie.training.controller.search import Evolution
from reverie.training.rounds import rounds_of

COLOURS = ("#2563eb", "#dc2626", "#15803d", "#7c3aed", "#d97706")
WIDTH = 0.8
"""Of a round's search, where rounds are 1 apart."""


class School(NamedTuple):
    """What a round's search found; where the search is, from 0 to 1."""

    dreamt_at: np.ndarray
    dreamt: np.ndarray
    real_at: np.ndarray
    real: np.ndarray
    chosen_at: float
    chosen: float
    """Its mean on all tracks of the finals."""


def school_of(run: RunFolder) -> School:
    """Reads the log, the evaluated centers, and the laps that were kept."""
    finals = run.config.controller.search.finals
    controller, params = load_controller(run.controller)
    search = Evolution(run, controller)
    at = np.array([0, *(row["generation"] for row in search.history if row["eval_mean_return"] is not None)])
    centers = search.space.params(np.concatenate([np.zeros((1, search.space.num_coordinates)), search.evaluated]))
    drove = np.unique(np.linspace(0, len(at) - 1, finals.spread).round().astype(int))  # as `finals.finalists`
    returns = [entry["episode_return"] for entry in EpisodeStore(run.laps).entries]
    first = np.array(returns[: len(drove) * finals.halving]).reshape(len(drove), finals.halving)
    won = int(np.abs(centers - params).max(1).argmin())
    ends = at / run.config.controller.search.generations
    score = run.stage("controller")["validation_score"]
    return School(ends[1:], np.array(search.scores), ends[drove], first.mean(1), float(ends[won]), score)


def draw(path: Path, runs: list[RunFolder]) -> None:
    """Two panels over the same rounds."""
    import_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.6), layout="constrained")
    dream, road = figure.subplots(2, sharex=True)
    for run, colour in zip(runs, COLOURS, strict=False):
        for number, each in enumerate(rounds_of(run)):
            found, label = school_of(each), f"seed {run.config.seed}" if number == 0 else None
            style = {"color": colour, "marker": "o", "markersize": 3, "linewidth": 1}
            dream.plot(number + WIDTH * found.dreamt_at, found.dreamt, label=label, **style)
            road.plot(number + WIDTH * found.real_at, found.real, **style)
            ring = {"marker": "o", "markersize": 9, "markerfacecolor": "none", "linestyle": ""}
            road.plot(number + WIDTH * found.chosen_at, found.chosen, color=colour, **ring)
    decisions = runs[0].config.controller.dream.decisions
    dream.set_ylabel(f"in dreams of {decisions} decisions")
    road.set_ylabel("on the road, whole laps")
    road.set_xlabel("round: from the first to the last generation of its search")
    dream.legend(frameon=False, fontsize=9, loc="lower right")
    for axes in (dream, road):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    picture, *names = sys.argv[1:]
    draw(Path(picture), [RunFolder.open(name) for name in names])
