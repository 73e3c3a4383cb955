"""Runs compared: each measured on the same tracks, grouped by what they were made with, in one table and one sheet.

Shapes: n frames of (64, 64, 3) uint8.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from reverie.challenge import Challenge
from reverie.checkpoint import file_sha256
from reverie.devices import one_thread
from reverie.envs.registry import spec_of
from reverie.envs.truth import require_truth
from reverie.errors import UserError
from reverie.measure.dream.horizon import DreamHorizon, RealEpisodes, join, measure_dream
from reverie.measure.statistics import confidence_interval
from reverie.measure.truth.judges import Judges
from reverie.measure.truth.labelled import LabelledFrames, labelled_frames
from reverie.measure.vision import comparison
from reverie.measure.vision.arithmetic import Arithmetic, measure_arithmetic
from reverie.measure.vision.fidelity import Fidelity, measure_fidelity
from reverie.models.coding import reconstruct
from reverie.models.files import PRETRAINED, load_models, load_vision
from reverie.progress import Progress
from reverie.run import settings
from reverie.run.folder import RunFolder
from reverie.seeding import TEST_TRACKS, TRAINING_TRACKS, VALIDATION_TRACKS, generator, sample_tracks
from reverie.show import charts
from reverie.show.latent_sheets import comparison as draw_sheet
from reverie.studies.compare_report import Found, numbers_of, text_of
from reverie.studies.dream_truth import episodes_of
from reverie.studies.scores import challenged_returns, common_returns
from reverie.training.controller.rollouts import agent_of
from reverie.workers.contract import Workers
from reverie.writing import write_json, write_text

TRAINING_TRACKS_USED = 1000
"""Tracks for the linear probe and the attribute vectors."""
TUNING_TRACKS = 100
"""Validation tracks that choose the scales of the attribute vectors."""
DRIVES = 32
"""Drives of each of two drivers, from which dreams are measured."""
NUM_SHOWN = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Grounds:
    """What every run is measured on."""

    test: LabelledFrames
    train: LabelledFrames
    tune: LabelledFrames
    episodes: RealEpisodes | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Where everything was written, and the table."""

    numbers: Path
    table: Path
    sheet: Path
    scores: Path | None
    """Returns by track, where the runs have agents."""
    text: str


def compare_runs(
    runs: Sequence[RunFolder],
    judges: Judges,
    output: Path,
    *,
    tracks: int,
    split: Literal["validation", "test"],
    workers: Callable[[], AbstractContextManager[Workers]],
    scores: int | None = None,
    given: Sequence[str | None] = (),
    seed: int = 0,
    quiet: bool = False,
) -> Comparison:
    """Measures all `runs` on `tracks` of a split and writes comparison.json, comparison.md and comparison.png, and
    scores.png where all have an agent. The agents' returns are those of `common_returns` on `scores` test tracks; 0 for
    none. The reader may have `given` runs names.

    Raises UserError where a run has no V, or is of a world of which nobody knows the truth.
    """
    for run in runs:
        require_truth(run.config.env, run.name)
    _require_one_world([run for run in runs if run.is_done("memory")])
    made_with = [settings.flatten(run.config) for run in runs]
    groups = comparison.group(made_with, given)
    names = comparison.labels(made_with, groups, given)
    returns: Sequence[np.ndarray | None] = [None] * len(runs)
    challenged: Mapping[tuple[Challenge, str], Sequence[np.ndarray]] = {}
    if scores != 0 and all(run.is_done("controller") for run in runs):
        returns = common_returns(runs, scores, workers, quiet=quiet)
        challenged = challenged_returns(runs)
    with one_thread(), Progress("compare", len(runs) + 1, "steps", quiet=quiet) as bar:
        grounds = _grounds(runs, tracks, split, seed)
        bar.advance(1)
        found, models = [], _Models(judges, grounds, seed)
        for i, (run, theirs) in enumerate(zip(runs, returns, strict=True)):
            otherwise = {way: values[i] for way, values in challenged.items()}
            fidelity, arithmetic = models.vision(run)
            dream = models.dream(run)
            found.append(
                Found(
                    run=run,
                    fidelity=fidelity,
                    arithmetic=arithmetic,
                    dream=dream,
                    returns=theirs,
                    challenged=otherwise,
                )
            )
            bar.advance(1, last=run.name)
    result = Comparison(
        numbers=output / "comparison.json",
        table=output / "comparison.md",
        sheet=output / "comparison.png",
        scores=output / "scores.png" if returns[0] is not None else None,
        text=text_of(
            [[found[i] for i in indices] for indices in groups],
            names,
            comparison.differing(made_with, groups),
            f"{tracks} {split} tracks, {len(grounds.test)} frames",
        ),
    )
    output.mkdir(parents=True, exist_ok=True)
    write_json(result.numbers, numbers_of(found, groups, names, split, tracks, seed))
    write_text(result.table, result.text)
    _draw(result.sheet, [found[indices[0]].run for indices in groups], names, grounds.test)
    if result.scores:
        _draw_scores(result.scores, [[found[i] for i in indices] for indices in groups], names)
    return result


def _require_one_world(runs: Sequence[RunFolder]) -> None:
    """Raises UserError where runs that dream, and may have scores, are of different worlds."""
    if any(run.config.env != runs[0].config.env for run in runs):
        raise UserError(
            "these runs differ in [env]: their dreams and scores cannot be compared; compare them by groups that agree"
        )


def _grounds(runs: Sequence[RunFolder], tracks: int, split: Literal["validation", "test"], seed: int) -> Grounds:
    def pick(what: str, num: int, among: range) -> list[int]:
        return sample_tracks(generator(seed, "compare", what), num, among)

    seen = pick("validation", TUNING_TRACKS + tracks, VALIDATION_TRACKS)
    tests = pick("test", tracks, TEST_TRACKS) if split == "test" else seen[TUNING_TRACKS:]
    with_memory = [run for run in runs if run.is_done("memory")]
    return Grounds(
        test=labelled_frames(tests, seed),
        train=labelled_frames(pick("train", TRAINING_TRACKS_USED, TRAINING_TRACKS), seed + 1),
        tune=labelled_frames(seen[:TUNING_TRACKS], seed + 2),
        episodes=_episodes(with_memory, tests, seed) if with_memory else None,
    )


def _episodes(runs: Sequence[RunFolder], tracks: Sequence[int], seed: int) -> RealEpisodes:
    """Half by the best agent that ships, half at random."""
    env = runs[0].config.env
    agent, params = agent_of(RunFolder.open(PRETRAINED, runs[0].recipe.device))
    return join(episodes_of(agent, params, tracks[: 2 * min(DRIVES, len(tracks) // 2)], env, seed))


class _Models:
    """What is measured of V and M, once of each file: runs may share them, as a fork does what it keeps."""

    def __init__(self, judges: Judges, grounds: Grounds, seed: int) -> None:
        self._judges, self._grounds, self._seed = judges, grounds, seed
        self._visions: dict[tuple[str, ...], tuple[Fidelity, Arithmetic]] = {}
        self._dreams: dict[tuple[str, ...], DreamHorizon] = {}

    def vision(self, run: RunFolder) -> tuple[Fidelity, Arithmetic]:
        key = _files(run, run.vision)
        if key not in self._visions:
            vision, grounds = load_vision(run.vision, run.device).eval(), self._grounds
            self._visions[key] = (
                measure_fidelity(vision, self._judges, grounds.test, grounds.train, self._seed),
                measure_arithmetic(vision, self._judges, grounds.train, grounds.tune, grounds.test, self._seed),
            )
        return self._visions[key]

    def dream(self, run: RunFolder) -> DreamHorizon | None:
        """M's, by its V; None where the run has no M."""
        if not run.is_done("memory") or self._grounds.episodes is None:
            return None
        run.verify("memory")
        key = _files(run, run.vision, run.memory)
        if key not in self._dreams:
            vision, memory = load_models(run.path, run.device)
            self._dreams[key] = measure_dream(vision.eval(), memory.eval(), self._judges, self._grounds.episodes)
        return self._dreams[key]


def _files(run: RunFolder, *paths: Path) -> tuple[str, ...]:
    """What they hold, and where it is computed."""
    return (run.device.type, *map(file_sha256, paths))


def _draw_scores(path: Path, groups: Sequence[Sequence[Found]], names: Sequence[str]) -> None:
    """Returns by track of each group, seeds averaged."""
    values = [np.mean([found.returns for found in group if found.returns is not None], 0) for group in groups]
    charts.scores(
        path,
        {name: (one, confidence_interval(one)) for name, one in zip(names, values, strict=True)},
        title=f"{len(values[0])} test tracks, the same for all",
        with_paper=all(spec_of(found.run.config.env).in_paper for group in groups for found in group),
    )


def _draw(path: Path, runs: Sequence[RunFolder], names: Sequence[str], frames: LabelledFrames) -> None:
    """The same frames as each group's first seed sees them."""
    some = np.linspace(0, len(frames) - 1, min(NUM_SHOWN, len(frames))).astype(np.int64)
    rows = {"frame": frames.frames[some]}
    for name, run in zip(names, runs, strict=True):
        vision = load_vision(run.vision, run.device).eval()
        rows[name] = reconstruct(vision, frames.frames[some])
    draw_sheet(path, rows)
