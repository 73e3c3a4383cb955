"""Charts of several runs, one over the other.

Shapes: g generations, n tracks.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from reverie.show.figure import OURS, PAPER, new_figure, plain, save_figure
from reverie.show.paper import PAPER_SCORE, Log

_COLOURS = (OURS, PAPER, "#15803d", "#7e22ce", "#b45309", "#0e7490", "#be185d", "#525252")
_MARKERS = "osD^vP*X"


def learning_curves(path: Path, logs: Mapping[str, Log], *, with_paper: bool) -> None:
    """What each search for C had measured of its center, or of C, over wall time and over generations: by name, the
    columns (g,) of its log.csv."""
    figure = new_figure(12.5, 5.2)
    left, right = figure.subplots(1, 2, sharey=True)
    for i, (name, log) in enumerate(logs.items()):
        score = log["eval_mean_return"]
        measured = ~np.isnan(score)
        colour = _COLOURS[i % len(_COLOURS)]
        for axes, key in ((left, "hours"), (right, "generation")):
            axes.plot(log[key][measured], score[measured], "o-", color=colour, markersize=3.5, label=name)
    for axes, words in ((left, "wall time of the controller's training [hours]"), (right, "generations, or steps")):
        if with_paper:
            axes.axhline(PAPER_SCORE, color="#444", linewidth=1, linestyle="--")
        axes.set_xlabel(words)
        plain(axes)
    left.set_ylabel("return of C, on validation tracks or in dreams")
    if with_paper:
        place = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": "top", "fontsize": 9}
        left.annotate(f"paper {PAPER_SCORE:.0f}", (1.0, PAPER_SCORE), **place)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    save_figure(figure, path)


def returns_by_track(path: Path, seeds: Sequence[int], returns: Mapping[str, np.ndarray]) -> None:
    """The returns (n,) of each run on the same tracks, a column each, those on which all are worst first."""
    order = np.argsort(np.mean(list(returns.values()), axis=0), kind="stable")
    figure = new_figure(12.5, 4.6)
    axes = figure.subplots()
    for i, (name, values) in enumerate(returns.items()):
        colour, marker = _COLOURS[i % len(_COLOURS)], _MARKERS[i % len(_MARKERS)]
        axes.plot(values[order], marker, color=colour, markersize=5, alpha=0.75, markeredgewidth=0, label=name)
    axes.set_xlabel(f"{len(seeds)} tracks, those on which the runs did worst first")
    axes.set_ylabel("return")
    if len(seeds) <= 40:
        axes.set_xticks(range(len(seeds)), [str(seeds[i]) for i in order], rotation=90)
    else:
        axes.set_xticks([])
    plain(axes)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    save_figure(figure, path)
