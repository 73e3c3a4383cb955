"""The table and the picture of docs/results.md, from runs: `python -m bench.results PICTURE RUN...`.

The picture shows each run's centers on validation tracks over the wall time of the whole run, with its score on test
tracks at the end, beside the paper's published log.
"""

import sys
from itertools import cycle
from pathlib import Path

import numpy as np

from reverie.plotting import import_matplotlib
from reverie.run.folder import RunFolder
from reverie.show.figure import OURS, PAPER
from reverie.show.paper import PAPER_SCORE, PAPER_SPREAD, paper_log, read_log
from reverie.training.summary import summarise

COLUMNS = ("run", "seed", "score", "95%", "deviation", "worst", "finished", "minutes", "frames", "decisions")
COLOURS = (OURS, "#15803d", "#7c3aed")
BEFORE = ("collect", "vision", "encode", "memory")


def curve(run: RunFolder) -> tuple[np.ndarray, np.ndarray]:
    """Minutes since the run began and scores on validation tracks, of each evaluated center."""
    stages = summarise(run)["stages"]
    facts = stages["collect"]["facts"]
    before = sum(stages[name]["seconds"] for name in BEFORE) / 60
    before += facts.get("forerunner_minutes", facts.get("scout_minutes", 0))  # as earlier versions called it
    log = read_log((run.evolution / "log.csv").read_text())
    minutes, measured = before + np.cumsum(log["seconds"]) / 60, ~np.isnan(log["eval_mean_return"])
    return minutes[measured], log["eval_mean_return"][measured]


def draw(path: Path, runs: list[RunFolder]) -> None:
    """The picture."""
    import_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.axhspan(PAPER_SCORE - PAPER_SPREAD, PAPER_SCORE + PAPER_SPREAD, color=PAPER, alpha=0.15, linewidth=0)
    log = paper_log()
    measured = ~np.isnan(log["eval_mean_return"])
    axes.plot(60 * log["hours"], log["mean_return"], color=PAPER, linewidth=1, label="paper, mean of the population")
    scores = 60 * log["hours"][measured], log["eval_mean_return"][measured]
    axes.plot(*scores, color=PAPER, marker="o", markersize=3, label="paper, evaluations (64 cores)")
    colours = dict(zip(dict.fromkeys(run.config.name for run in runs), cycle(COLOURS), strict=False))
    for run in runs:
        found, (minutes, scores) = summarise(run), curve(run)
        recipe = found["recipe"]
        colour, name = colours[recipe], f"our {recipe}, validation tracks (2 cores)"
        axes.plot(minutes, scores, color=colour, linewidth=1, marker="o", markersize=3, alpha=0.7, label=name)
        end, name = ([found["minutes"]], [found["evaluation"]["mean"]]), f"our {recipe}, 100 test tracks"
        axes.plot(*end, color=colour, marker="*", markersize=12, linestyle="", label=name)
    axes.set_xscale("log")
    axes.set_xlabel("wall time from nothing [minutes]; the paper's: of its search for C alone")
    axes.set_ylabel("return")
    axes.set_ylim(-120, 980)
    axes.grid(alpha=0.3)
    handles, labels = axes.get_legend_handles_labels()
    named = dict(zip(labels, handles, strict=True))  # runs of a recipe share a name
    axes.legend(named.values(), named.keys(), frameon=False, fontsize=9, loc="lower right")
    figure.savefig(path, dpi=110)


def row(run: RunFolder) -> list[str]:
    """A run's line of the table."""
    found = summarise(run)
    e, decisions = found["evaluation"], found["stages"]["controller"]["facts"]["decisions"]
    low, high = e["ci95"]
    returns = e["returns"]
    cells = [run.path.name, found["seed"], f"**{e['mean']:.1f}**", f"{low:.1f} to {high:.1f}", f"{e['std']:.0f}"]
    cells += [f"{min(returns):.0f}", f"{e['num_finished']} of {len(returns)}", f"{found['minutes']:.1f}"]
    return [str(cell) for cell in [*cells, f"{found['frames'] / 1e6:.1f} M", f"{decisions / 1e6:.2f} M"]]


if __name__ == "__main__":
    picture, *names = sys.argv[1:]
    runs = [RunFolder.open(name) for name in names]
    draw(Path(picture), runs)
    for line in [COLUMNS, ["---"] * len(COLUMNS), *map(row, runs)]:
        print("|", " | ".join(line), "|")
