"""Score by method at equal real frames, the table and picture of docs/dreams.md: `python -m bench.frames FOLDER NUM
LABEL=KIND:RUN...`.

Each point of a run drives the first NUM test tracks, drawn by our rasteriser; where the run was scored already, what
stands in evaluation.json is taken, which Gymnasium drew. KIND says what its points are:

- `rounds`: for each of `BUDGETS`, the agent of the last round that it pays for, all frames of the ledger included;
- `road`: the same for the centers of a search on the road;
- `last`: the run's agent. Where its search began at another run's controller, that run's frames count, too;
- `plan`: the run's M, and its C, with a plan, as `reverie evaluate RUN --plan`.

A label that ends in `@3` asks for so many tracks, and a run that ends in `#3` is a copy that goes by that seed.

FOLDER gets scores.json, where what was driven is not driven again, frames.md and frames.png.
"""

import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reverie.dream.plan import PlanConfig
from reverie.measure.score import test_seeds
from reverie.measure.statistics import confidence_interval
from reverie.models.controller import Controller
from reverie.models.files import load_controller
from reverie.plotting import import_matplotlib
from reverie.reading import read_json
from reverie.run import settings
from reverie.run.folder import RunFolder
from reverie.run.ledger import ledger, minutes, own_ledger
from reverie.training.controller.rollouts import Rollouts
from reverie.training.controller.search import Evolution
from reverie.training.pipeline import evaluate_run
from reverie.training.rounds import rounds_of
from reverie.workers.contract import Workers
from reverie.workers.make import make_workers
from reverie.writing import write_json

BUDGETS = (125_000, 250_000, 500_000)
COLUMNS = ("method", "seed", "real frames", "score", "95%", "median", "below 700", "tracks", "minutes")
BEYOND = ("quick", "standard")
"""Recipes whose search is on the road, and which shipped a score for far more frames."""
COLOURS = ("#dc2626", "#2563eb", "#15803d", "#7c3aed", "#d97706", "#0891b2")


class Asked(NamedTuple):
    """A run to be scored, as typed."""

    label: str
    kind: str
    run: RunFolder
    seed: int
    tracks: int


class Point(NamedTuple):
    """Somebody who drives, and what it cost to get there."""

    frames: int
    """Of the ledger: all that was driven until then."""
    minutes: float
    """Wall time of all stages."""
    run: RunFolder
    """Whose V and M it drives with."""
    params: np.ndarray | None
    """(p,) of its C; None for one that plans."""


class Score(NamedTuple):
    """What it drove."""

    label: str
    seed: int
    frames: int
    minutes: float
    returns: np.ndarray
    """(n,) on test tracks from 0 on."""


def asked(text: str, num: int) -> Asked:
    """Reads LABEL=KIND:RUN."""
    label, _, what = text.partition("=")
    kind, _, path = what.partition(":")
    label, _, tracks = label.partition("@")
    path, _, seed = path.partition("#")
    run = RunFolder.open(path)
    return Asked(label, kind, run, int(seed or run.config.seed), int(tracks or num))


def points(one: Asked) -> Iterator[Point]:
    """The points of a run, in the order of their frames."""
    run = one.run
    if one.kind == "road":
        yield from road_points(run)
    elif one.kind == "rounds":
        rounds = rounds_of(run)
        driven = np.array([ledger(each).frames for each in rounds])
        for number in sorted({int((driven <= budget).sum()) for budget in BUDGETS} - {0}):
            each = rounds[number - 1]
            yield Point(ledger(each).frames, minutes(each), each, load_controller(each.controller)[1])
    else:
        begun = run.config.controller.search.start.init_from
        before = ledger(RunFolder.open(begun)).frames if begun else 0
        own = own_ledger(run)
        frames = before + own.learning + own.selecting if begun else ledger(run).frames
        yield Point(frames, minutes(run), run, None if one.kind == "plan" else load_controller(run.controller)[1])


def road_points(run: RunFolder) -> Iterator[Point]:
    """Centers of a search on the road: none of its evaluations chose them."""
    memory, spec = run.config.memory.model, load_controller(run.controller)[0]
    controller = Controller(run.config.controller.model, spec.z_size, memory.hidden_size, spec.actions)
    search = Evolution(run, controller)
    driven = ledger(run).collecting + np.cumsum([row["frames"] for row in search.history])
    before = minutes(run) - run.stage("controller")["seconds"] / 60
    for budget in BUDGETS:
        generation = int((driven <= budget).sum())
        if generation == len(driven):
            raise SystemExit(f"{run.path}: all its generations are within {budget:,} frames: give it more of them")
        if generation:
            last = search.history[generation - 1]
            yield Point(
                int(driven[generation - 1]), before + 60 * last["hours"], run, search.params_after([generation])[0]
            )


def returns_of(point: Point, num: int, workers: Workers) -> list[float]:
    """Drives the first test tracks."""
    run = point.run
    if point.params is None:
        found = evaluate_run(run, workers, num_tracks=num, first_seed=0, renderer="fast", plan=PlanConfig(), quiet=True)
        return list(found.returns)
    if run.evaluation.is_file():
        return read_json(run.evaluation)["returns"]
    tracks = np.array(test_seeds(num, 0))
    outcomes = Rollouts(run, workers, run.config.controller.model).outcomes(point.params[None], tracks[None])
    return [float(outcome.ret) for outcome in outcomes]


def scores_of(all_asked: list[Asked], cache: Path) -> list[Score]:
    """Lets every point drive that has not."""
    driven = read_json(cache) if cache.exists() else {}
    found = list[Score]()
    with make_workers(0) as workers:
        for one in all_asked:
            for point in points(one):
                key = f"{one.kind}:{point.run.path}:{point.frames}"
                if len(driven.get(key, [])) < one.tracks:
                    driven[key] = returns_of(point, one.tracks, workers)
                    write_json(cache, driven)
                    print(f"{key}: {np.mean(driven[key]):.1f}", flush=True)
                seed, returns = one.seed, np.array(driven[key])
                found.append(Score(one.label, seed, point.frames, point.minutes, returns))
    return found


def table(scores: list[Score]) -> str:
    """A line for each score."""
    rows = [COLUMNS, ["---"] * len(COLUMNS)]
    for one in scores:
        low, high = confidence_interval(one.returns) or (np.nan, np.nan)
        cells = [one.label, one.seed, f"{one.frames:,}", f"**{one.returns.mean():.0f}**", f"{low:.0f} to {high:.0f}"]
        cells += [f"{np.median(one.returns):.0f}", int((one.returns < 700).sum()), len(one.returns)]
        rows.append([*map(str, cells), f"{one.minutes:.0f}"])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def summary(scores: list[Score]) -> str:
    """A line for each method: of each seed, the last point that is within the budget."""
    rows = [["method", *(f"{budget:,} frames" for budget in BUDGETS)], ["---"] * (1 + len(BUDGETS))]
    for label in dict.fromkeys(one.label for one in scores):
        cells = [label]
        for budget in BUDGETS:
            within = {one.seed: one for one in scores if one.label == label and one.frames <= budget}
            means = [f"{one.returns.mean():.0f} ({one.frames // 1000}k)" for one in within.values()]
            cells.append(", ".join(means))
        rows.append(cells)
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def draw(path: Path, scores: list[Score]) -> None:
    """Score over real frames; a line for each run of several points."""
    import_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.6), layout="constrained")
    axes = figure.subplots()
    colours = dict(zip(dict.fromkeys(one.label for one in scores), cycle(COLOURS), strict=False))
    for label, colour in colours.items():
        for seed in dict.fromkeys(one.seed for one in scores if one.label == label):
            own = [one for one in scores if (one.label, one.seed) == (label, seed)]
            means = np.array([one.returns.mean() for one in own])
            spans = np.array([confidence_interval(one.returns) or (one.returns.mean(),) * 2 for one in own])
            axes.errorbar(
                [one.frames for one in own],
                means,
                np.abs(spans.T - means),
                color=colour,
                marker="o",
                markersize=4,
                linewidth=1,
                elinewidth=0.7,
                alpha=0.8,
                label=label,
            )
    for name in BEYOND:
        known = settings.measured(name)
        axes.plot(known["frames"], known["mean"], color="#555", marker="*", markersize=11, linestyle="")
        place = {"xytext": (0, -16), "textcoords": "offset points", "ha": "right", "fontsize": 9}
        axes.annotate(f"{name}, on the road", (known["frames"], known["mean"]), **place)
    axes.set_xscale("log")
    axes.set_xlabel("simulator frames in all, those that selected included")
    axes.set_ylabel("mean return on test tracks")
    axes.grid(alpha=0.3)
    handles, labels = axes.get_legend_handles_labels()
    named = dict(zip(labels, handles, strict=True))
    axes.legend(named.values(), named.keys(), frameon=False, fontsize=9, loc="lower right")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    folder, num, *names = sys.argv[1:]
    output = Path(folder)
    output.mkdir(parents=True, exist_ok=True)
    scores = scores_of([asked(name, int(num)) for name in names], output / "scores.json")
    (output / "frames.md").write_text(f"{table(scores)}\n{summary(scores)}")
    draw(output / "frames.png", scores)
    print(summary(scores))
