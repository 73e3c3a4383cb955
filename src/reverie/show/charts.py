"""Charts of learning and of scores.

Shapes: g generations, n tracks.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reverie.plotting import import_matplotlib
from reverie.show.figure import OURS, PAPER, new_figure, plain, save_figure
from reverie.show.paper import PAPER_SCORE, PAPER_SPREAD, Log, paper_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BLANK = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
"""Behind words that a line runs through."""


def learning_curve(path: Path, log: Log, *, title: str, with_paper: bool) -> None:
    """A run's log.csv: return against wall time, and against simulator frames, or decisions where they were dreamt;
    over the paper's published log, where it is of the same world."""
    cost, unit = ("dreamt", "decisions dreamt in") if "dreamt" in log else ("frames", "simulator frames of")
    ours = {**log, cost: np.cumsum(log[cost])}
    figure = new_figure(12.5, 5.2)
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, key, label in (
        (left, "hours", "wall time of the controller's training [hours]"),
        (right, cost, f"{unit} the controller's training"),
    ):
        if with_paper:
            axes.axhspan(PAPER_SCORE - PAPER_SPREAD, PAPER_SCORE + PAPER_SPREAD, color=PAPER, alpha=0.15, linewidth=0)
            _curves(axes, paper_log(), key, PAPER)
        _curves(axes, ours, key, OURS)
        axes.set_xscale("log")
        axes.set_xlabel(label)
        plain(axes)
    left.set_ylabel("return (mean over tracks)")
    if with_paper:
        left.set_ylim(-120, 980)
        left.annotate(
            f"paper's final score {PAPER_SCORE:.0f} ± {PAPER_SPREAD:.0f}",
            (0.02, PAPER_SCORE + PAPER_SPREAD + 4),  # above the band, where no curve begins
            xycoords=("axes fraction", "data"),
            va="bottom",
            color=PAPER,
            fontsize=9,
        )
    figure.suptitle(title, x=0.01, ha="left", fontsize=13)
    _legend(figure, with_paper)
    save_figure(figure, path)


def imagined_curve(path: Path, log: Log, *, title: str) -> None:
    """The log.csv of a run that learned in dreams: what C is worth on validation tracks over the decisions dreamt so
    far, beside what the dream pays for a decision."""
    dreamt = np.cumsum(log["dreamt"])
    figure = new_figure(12.5, 4.4)
    left, right = figure.subplots(1, 2)
    left.plot(dreamt, log["eval_mean_return"], "o-", color=OURS, markersize=3.5)
    left.set_ylabel("return of C (mean over validation tracks)")
    right.plot(dreamt, log["reward"], "o-", color=OURS, markersize=3.5)
    right.set_ylabel("dreamt reward of a decision, with noise on C")
    for axes in (left, right):
        axes.set_xlabel("decisions dreamt")
        plain(axes)
    figure.suptitle(title, x=0.01, ha="left", fontsize=13)
    save_figure(figure, path)


def _curves(axes: "Axes", log: Log, key: str, color: str) -> None:
    """Best candidate, mean of the population, and the score of the center where it was measured."""
    x, score = log[key], log["eval_mean_return"]
    measured = ~np.isnan(score)
    axes.plot(x, log["max_return"], color=color, linewidth=0.9, alpha=0.45)
    axes.plot(x, log["mean_return"], color=color, linewidth=1.6)
    axes.plot(
        x[measured], score[measured], color=color, linestyle="", marker="o", markersize=3.5, markeredgecolor="white"
    )


def _legend(figure: "Figure", with_paper: bool) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=OURS, linewidth=4, label="this run"),
        Line2D([], [], color="#444", linewidth=1.6, label="mean of the population"),
        Line2D([], [], color="#444", linewidth=0.9, alpha=0.6, label="best candidate"),
        Line2D(
            [],
            [],
            color="#444",
            linestyle="",
            marker="o",
            markersize=5,
            label="where the search stands, on tracks that no candidate drove",
        ),
    ]
    if with_paper:
        handles.insert(1, Line2D([], [], color=PAPER, linewidth=4, label="Ha & Schmidhuber 2018, published log"))
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False, fontsize=9)


def evaluation_histogram(
    path: Path,
    returns: Sequence[float],
    *,
    ci95: tuple[float, float] | None,
    title: str,
    with_paper: bool,
    bins: int = 30,
) -> None:
    """How the returns (n,) are spread over the test tracks, with their mean and its 95% interval; with the paper's
    score, where it is of the same world."""
    import_matplotlib()
    from matplotlib.ticker import MaxNLocator

    values = np.asarray(returns, float)
    figure = new_figure(8.0, 4.4)
    axes = figure.subplots()
    if with_paper:
        low, high = min(0.0, np.floor(values.min() / 50) * 50), max(950.0, values.max())
    else:
        low, high = values.min(), values.max() if np.ptp(values) else values.max() + max(1.0, abs(values.max()))
    axes.hist(values, bins=np.linspace(low, high, bins + 1).tolist(), color=OURS, alpha=0.75)
    if ci95:
        axes.axvspan(*ci95, color=OURS, alpha=0.2, linewidth=0, label=f"95% interval {ci95[0]:.0f} to {ci95[1]:.0f}")
    axes.axvline(values.mean(), color="#7c2d12", linewidth=2, label=f"mean {values.mean():.1f}")
    if with_paper:
        axes.axvline(PAPER_SCORE, color=PAPER, linewidth=1.5, linestyle="--", label=f"paper {PAPER_SCORE:.0f}")
    axes.set_xlabel("return of a track")
    axes.set_ylabel(f"test tracks (of {len(values)})")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(title, loc="left", fontsize=12)
    figure.legend(frameon=False, loc="outside lower center", ncols=3, fontsize=9)
    plain(axes)
    save_figure(figure, path)


def scores(
    path: Path,
    groups: Mapping[str, tuple[np.ndarray, tuple[float, float] | None]],
    *,
    title: str,
    with_paper: bool,
) -> None:
    """Returns (n,) by track of each group, a point each, with the mean and its 95% interval; the axis begins where the
    points do."""
    figure = new_figure(9.0, 1.6 + 0.75 * len(groups))
    axes = figure.subplots()
    for row, (values, ci95) in enumerate(groups.values()):
        spread = 0.5 * (np.arange(len(values)) * 0.618034 % 1) - 0.25  # no chance: the same points every time
        axes.plot(values, row + spread, "o", color=OURS, alpha=0.35, markersize=4, markeredgewidth=0)
        mean = float(values.mean())
        if ci95:
            axes.plot(ci95, (row, row), color="black", linewidth=4, solid_capstyle="butt")
        axes.plot([mean], [row], "D", color="black", markersize=6)
        interval = " [{:.0f}, {:.0f}]".format(*ci95) if ci95 else ""
        axes.annotate(f"{mean:.0f}{interval}", (mean, row - 0.29), ha="center", va="bottom", bbox=_BLANK)
    if with_paper:
        axes.axvline(PAPER_SCORE, color=PAPER, linewidth=1.2, linestyle="--")
        axes.annotate(f"paper {PAPER_SCORE:.0f} ", (PAPER_SCORE, -0.62), color=PAPER, ha="right", fontsize=9)
    axes.set_yticks(range(len(groups)), list(groups))
    axes.set_ylim(len(groups) - 0.4, -0.75)
    axes.set_xlabel("return of a track (a point each); diamond and bar: mean and its 95% interval")
    axes.set_title(title, loc="left", fontsize=12)
    plain(axes)
    save_figure(figure, path)
