"""Several runs of one world as one page: what they differ in, what they score, how they learned, what they cost. It
reads what is known, and drives nothing.

Shapes: n tracks.
"""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from reverie import scratch
from reverie.challenge import IN_WORDS
from reverie.envs.registry import spec_of
from reverie.measure.statistics import confidence_interval, mean_text
from reverie.measure.vision import comparison
from reverie.reading import read_csv
from reverie.run import settings
from reverie.run.evaluations import score
from reverie.run.folder import RunFolder
from reverie.run.ledger import ledger, minutes
from reverie.run.world import check_same_world
from reverie.show import charts, side_by_side
from reverie.show.web_page import WebPage
from reverie.studies import report_words as words
from reverie.studies.scores import Shared, challenged_returns, shared_returns
from reverie.training.summary import duration

MOST_SETTINGS = 16
"""By which runs differ, in the table; the others stand in the recipes."""
APART = 5
"""Tracks on which they differ most."""


def write_side_by_side(
    runs: Sequence[RunFolder], path: Path, *, given: Sequence[str | None] = (), pictures: Path | None = None
) -> None:
    """Writes the page, and its pictures as files, too, where there is a folder for `pictures`. The reader may have
    `given` runs names. Raises UserError where a run has no agent, or is of another world than the first."""
    for run in runs:
        run.require_agent()
        check_same_world(runs[0].config, run.config, run.name)
    names = _names(runs, given or [None] * len(runs))
    page, shared = WebPage("Runs side by side"), shared_returns(runs)
    with scratch.temporary() as temporary:
        folder = pictures or temporary
        folder.mkdir(parents=True, exist_ok=True)
        page.heading("What they are")
        page.table(_facts(runs, names))
        _scores(page, runs, names, shared, folder)
        _robustness(page, runs, names)
        _curves(page, runs, names, folder)
        page.heading("Each of them alone")
        page.paragraph("A page of its own shows what its V sees, what its M foresees and where it drives worst:")
        page.code("\n".join(f"reverie report {shlex.quote(run.name)}" for run in runs))
        page.paragraph(
            "Runs that differ in their seed alone are one configuration; how two configurations differ beyond their "
            "seeds, and how true their pictures and dreams are, `reverie compare` measures.",
            "quiet",
        )
        page.save(path)


def _names(runs: Sequence[RunFolder], given: Sequence[str | None]) -> list[str]:
    """Of each run: the reader's; or what it differs in from the others, where a few settings say that; or its own. With
    its seed where there are several like it."""
    made_with = [settings.flatten(run.config) for run in runs]
    groups = comparison.group(made_with, given)
    labels = comparison.labels(made_with, groups, given)
    if len(comparison.differing(made_with, groups)) > comparison.SHOWN:
        firsts = [indices[0] for indices in groups]
        labels = [given[i] or Path(runs[i].name).name for i in firsts]
    names = [""] * len(runs)
    for label, indices in zip(labels, groups, strict=True):
        for i in indices:
            parts = [label] if len(groups) > 1 or given[i] else []
            names[i] = ", ".join([*parts, *([f"seed {runs[i].config.seed}"] if len(indices) > 1 else [])])
    return [name if names.count(name) == 1 else f"{name} ({run.name})" for name, run in zip(names, runs, strict=True)]


def _facts(runs: Sequence[RunFolder], names: Sequence[str]) -> list[Sequence[str]]:
    made_with = [settings.flatten(run.config) for run in runs]
    differing = comparison.differing(made_with, [[i] for i in range(len(runs))])
    costs, found = [ledger(run) for run in runs], [score(run) for run in runs]
    rows: list[Sequence[str]] = [
        ["", *names],
        ["run", *(run.name for run in runs)],
        ["recipe", *(run.config.name for run in runs)],
        ["seed", *(str(run.config.seed) for run in runs)],
        ["score, 95% interval", *(mean_text(one["mean"], one["ci95"]) if one else "not measured" for one in found)],
        ["on tracks drawn by Gymnasium", *(str(one["num_tracks"]) if one else "" for one in found)],
        ["time", *(duration(60 * minutes(run)) or "-" for run in runs)],
        ["frames of the simulator", *(f"{cost.frames:,}" for cost in costs)],
        ["decisions dreamt", *(f"{cost.dreamt:,}" if cost.dreamt else "-" for cost in costs)],
        *([key, *(str(value) or "-" for value in values)] for key, values in list(differing.items())[:MOST_SETTINGS]),
    ]
    if (left := len(differing) - MOST_SETTINGS) > 0:
        rows.append([f"and {left} more settings", *("" for _ in runs)])
    return rows


def _scores(
    page: WebPage, runs: Sequence[RunFolder], names: Sequence[str], shared: Shared | None, folder: Path
) -> None:
    page.heading("What they score")
    if shared is None:
        page.paragraph("There is no track that all of them were measured on. This drives the same 100 for each:")
        page.code("\n".join(f"reverie evaluate {shlex.quote(run.name)} --tracks 100" for run in runs))
        return
    num, returns = len(shared.seeds), dict(zip(names, shared.returns, strict=True))
    page.paragraph(
        f"On the {num} tracks that all of them drove, drawn by {shared.renderer}. Differences are of the same tracks, "
        "in pairs: where the interval leaves out 0, more than chance of these tracks is in it. Another seed of the "
        "same recipe may differ by as much."
    )
    page.table(_differences(names, shared))
    charts.scores(
        folder / "scores.png",
        {name: (values, confidence_interval(values)) for name, values in returns.items()},
        title=f"{num} tracks that nothing was learned from, the same for all",
        with_paper=spec_of(runs[0].config.env).in_paper,
    )
    page.picture(folder / "scores.png", "Every point is a track, driven once from start to end.")
    side_by_side.returns_by_track(folder / "tracks.png", shared.seeds, returns)
    page.picture(folder / "tracks.png", "The same returns, track by track: do they fail in the same places?")
    apart = np.argsort(-np.ptp(shared.returns, axis=0), kind="stable")[:APART].tolist()
    page.paragraph("Tracks on which they differ most; `reverie watch RUN --track N` shows one:")
    page.table([["track", *names], *([str(shared.seeds[i]), *(f"{r[i]:.0f}" for r in shared.returns)] for i in apart)])


def _differences(names: Sequence[str], shared: Shared) -> list[Sequence[str]]:
    first = shared.returns[0]
    rows: list[Sequence[str]] = [["run", "mean, 95% interval", "deviation", "worst", f"difference from {names[0]}"]]
    for name, values in zip(names, shared.returns, strict=True):
        spread = f"{values.std(ddof=1):.0f}" if len(values) > 1 else "-"
        difference = "" if values is first else _mean(values - first)
        rows.append([name, _mean(values), spread, f"{values.min():.0f}", difference])
    return rows


def _robustness(page: WebPage, runs: Sequence[RunFolder], names: Sequence[str]) -> None:
    """Nothing where they were not all measured in the same challenge."""
    if not (found := challenged_returns(runs)):
        return
    page.heading("Robustness: what their driving hangs on")
    page.table(
        [
            ["challenge", "what is shown", "tracks", *names],
            *(
                [
                    challenge,
                    IN_WORDS[challenge],
                    f"{len(returns[0])}, drawn by {renderer}",
                    *map(_mean, returns),
                ]
                for (challenge, renderer), returns in found.items()
            ),
        ]
    )


def _curves(page: WebPage, runs: Sequence[RunFolder], names: Sequence[str], folder: Path) -> None:
    logs: dict[str, Mapping[str, np.ndarray]] = {}
    for name, run in zip(names, runs, strict=True):
        if (path := run.evolution / "log.csv").is_file():
            log = {key: np.array(column) for key, column in read_csv(path).items()}
            if not np.isnan(log["eval_mean_return"]).all():
                logs[name if run.config.controller.world == "road" else f"{name}, in dreams"] = log
    page.heading("How they learned")
    if logs:
        side_by_side.learning_curves(folder / "learning.png", logs, with_paper=spec_of(runs[0].config.env).in_paper)
        page.picture(
            folder / "learning.png",
            "What each search found of its own C on the way. Where C learned in dreams, these are returns in dreams: "
            "they say how it learned, and not how well it drives, and are not to be held against returns on the road.",
        )
    else:
        page.paragraph("None of them has a log of it.", "quiet")
    for name, run in zip(names, runs, strict=True):
        page.paragraph(f"{name}: {words.steps(run)[3]}", "quiet")


def _mean(values: np.ndarray) -> str:
    return mean_text(float(values.mean()), confidence_interval(values))
