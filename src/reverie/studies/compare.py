"""Runs compared: each measured on the same tracks, grouped by what they were made with, in one table and one sheet.

Shapes: n frames of (64, 64, 3) uint8.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from reverie.checkpoint import read_json, write_atomically, write_json
from reverie.envs.registry import require_truth
from reverie.errors import UserError
from reverie.measure.dream.horizon import HORIZONS, DreamHorizon, RealEpisodes, join, measure_dream
from reverie.measure.truth.judges import Judges
from reverie.measure.truth.labelled import STATE, LabelledFrames, labelled_frames
from reverie.measure.vision import comparison
from reverie.measure.vision.arithmetic import Arithmetic, measure_arithmetic
from reverie.measure.vision.comparison import Sample
from reverie.measure.vision.fidelity import Fidelity, measure_fidelity
from reverie.metrics import Progress
from reverie.models.coding import reconstruct
from reverie.models.files import PRETRAINED, load_models, load_vision
from reverie.run import settings
from reverie.run.folder import RunFolder
from reverie.seeding import TEST_TRACKS, TRAINING_TRACKS, VALIDATION_TRACKS, generator, sample_tracks
from reverie.show.latent_sheets import comparison as draw_sheet
from reverie.studies.dream_truth import episodes_of
from reverie.training.controller.rollouts import agent_of

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


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What one run came to."""

    run: RunFolder
    fidelity: Fidelity
    arithmetic: Arithmetic
    dream: DreamHorizon | None
    evaluation: dict[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Where everything was written, and the table."""

    numbers: Path
    table: Path
    sheet: Path
    text: str


def compare_runs(
    runs: Sequence[RunFolder],
    judges: Judges,
    output: Path,
    *,
    tracks: int,
    split: Literal["validation", "test"],
    seed: int = 0,
    quiet: bool = False,
) -> Comparison:
    """Measures all `runs` on `tracks` of a split and writes comparison.json, comparison.md and comparison.png.

    Raises UserError where a run has no V, or is of a world of which nobody knows the truth.
    """
    for run in runs:
        require_truth(run.config.env, run.name)
    made_with = [settings.flatten(run.config) for run in runs]
    groups = comparison.group(made_with)
    names = comparison.labels(made_with, groups)
    with Progress("compare", len(runs) + 1, "steps", quiet=quiet) as bar:
        grounds = _grounds(runs, tracks, split, seed)
        bar.advance(1)
        found = []
        for run in runs:
            found.append(_measure(run, judges, grounds, seed))
            bar.advance(1, last=run.name)
    result = Comparison(
        numbers=output / "comparison.json",
        table=output / "comparison.md",
        sheet=output / "comparison.png",
        text=_text([[found[i] for i in indices] for indices in groups], names, split, tracks, len(grounds.test)),
    )
    output.mkdir(parents=True, exist_ok=True)
    write_json(result.numbers, _numbers(found, groups, names, split, tracks, seed))
    with write_atomically(result.table) as file:
        file.write(result.text.encode())
    _draw(result.sheet, [found[indices[0]].run for indices in groups], names, grounds.test)
    return result


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
    """Half by the best agent that ships, half at random; all runs must decide equally often."""
    env = runs[0].config.env
    if any(run.config.env != env for run in runs):
        raise UserError(
            "these runs differ in [env]: their dreams cannot be compared; compare them by groups that agree"
        )
    agent, params = agent_of(RunFolder.open(PRETRAINED))
    return join(episodes_of(agent, params, tracks[: 2 * min(DRIVES, len(tracks) // 2)], env, seed))


def _measure(run: RunFolder, judges: Judges, grounds: Grounds, seed: int) -> Found:
    vision = load_vision(run.vision).eval()
    dream = None
    if run.is_done("memory") and grounds.episodes is not None:
        run.verify("memory")
        vision, memory = load_models(run.path)
        dream = measure_dream(vision.eval(), memory.eval(), judges, grounds.episodes)
    return Found(
        run=run,
        fidelity=measure_fidelity(vision, judges, grounds.test, grounds.train, seed),
        arithmetic=measure_arithmetic(vision, judges, grounds.train, grounds.tune, grounds.test, seed),
        dream=dream,
        evaluation=read_json(run.evaluation) if run.is_done("evaluate") else None,
    )


def _text(groups: list[list[Found]], names: list[str], split: str, tracks: int, num_frames: int) -> str:
    """The whole table, as Markdown."""
    head = comparison.header(names)
    parts = [
        f"{tracks} {split} tracks, {num_frames} frames. Mean ± standard deviation over seeds; differences with their "
        "95% interval over tracks, in pairs. *Better* or *worse*: every seed of one beats every seed of the other, and "
        "the interval leaves out 0. A measure with * ranks its controls (real frames, a mild and a strong blur, wrong "
        "frames) by their means, but not each of them beyond chance.",
        comparison.table([["", *names], *_costs(groups)]),
        comparison.table([head, *_fidelity_rows(groups)]),
        _refused(groups, names),
        comparison.table([head, *_arithmetic_rows(groups)]),
    ]
    if rows := _downstream_rows(groups):
        parts.append(comparison.table([head, *rows]))
    return "\n\n".join(part for part in parts if part) + "\n"


def _costs(groups: list[list[Found]]) -> list[list[str]]:
    def cells(key: str) -> list[str]:
        return [f"{np.mean([found.run.stage('vision')[key] for found in group]):,.0f}" for group in groups]

    rows = [["seeds", *(", ".join(str(found.run.config.seed) for found in group) for group in groups)]]
    known = all("images" in found.run.stage("vision") for group in groups for found in group)
    return [*rows, ["V: seconds", *cells("seconds")], *([["V: images", *cells("images")]] if known else [])]


def _fidelity_rows(groups: list[list[Found]]) -> list[list[str]]:
    rows = []
    for measure in groups[0][0].fidelity.measures:
        found = [[f.fidelity.measure(measure.name) for f in group] for group in groups]
        if all(m is not None for group in found for m in group):
            samples = [_sample([m.mean for m in g if m], [m.per_track for m in g if m]) for g in found]
            doubted = any(m.doubt for group in found for m in group if m)
            name = f"{measure.name} *" if doubted else measure.name
            rows.append(comparison.row(name, measure.better, samples, floor=measure.floor))
    return rows


def _refused(groups: list[list[Found]], names: list[str]) -> str:
    """Measures that did not rank their controls, and for which of the groups."""
    lines = [
        f"- {refusal.name} ({name}, seed {found.run.config.seed}): {refusal.reason}"
        for group, name in zip(groups, names, strict=True)
        for found in group
        for refusal in found.fidelity.refused
    ]
    return "\n".join(["Not reported, since they do not rank their controls:", "", *lines]) if lines else ""


def _arithmetic_rows(groups: list[list[Found]]) -> list[list[str]]:
    rows = []
    for score in groups[0][0].arithmetic.scores:
        at = [[f.arithmetic.score(score.attribute, score.vector) for f in group] for group in groups]
        what = f"{score.attribute} ({score.vector})"
        for name, read in (
            ("flipped", lambda s: s.edit.flip),
            ("kept", lambda s: s.edit.keep),
            ("flipped by a random vector", lambda s: s.random.flip),
        ):
            values = [[read(s) for s in group] for group in at]
            if all(v is not None for group in values for v in group):
                better = "lower" if "random" in name else "higher"
                rows.append(comparison.row(f"{what}: {name}", better, [_sample(group) for group in values]))
    return rows


def _downstream_rows(groups: list[list[Found]]) -> list[list[str]]:
    rows = []
    if all(found.dream is not None for group in groups for found in group):
        dreams = [[found.dream for found in group if found.dream] for group in groups]
        for name in STATE:
            for i, horizon in enumerate(HORIZONS):
                samples = [_sample([d.dream[name][i] for d in g], [d.per_track[name][i] for d in g]) for g in dreams]
                rows.append(comparison.row(f"dream, {name} error after {horizon}", "lower", samples))
        for i, horizon in enumerate(HORIZONS):
            samples = [_sample([d.relative[i] for d in g]) for g in dreams]
            rows.append(comparison.row(f"dream, error relative to the last frame's after {horizon}", "lower", samples))
    if all(found.evaluation is not None for group in groups for found in group):
        scores = [[found.evaluation for found in group if found.evaluation] for group in groups]
        samples = [_sample([e["mean"] for e in g], [e["returns"] for e in g]) for g in scores]
        rows.append(comparison.row("score of the controller", "higher", samples))
    return rows


def _sample(means: Sequence[float], per_track: Sequence[Sequence[float]] | None = None) -> Sample:
    same = per_track is not None and len({len(values) for values in per_track}) == 1 and len(per_track[0]) > 1
    return Sample(means=tuple(means), per_track=np.array(per_track) if same else None)


def _numbers(
    found: Sequence[Found], groups: list[list[int]], names: list[str], split: str, tracks: int, seed: int
) -> dict[str, Any]:
    """Everything that was measured, for programs."""
    return {
        "split": split,
        "tracks": tracks,
        "seed": seed,
        "groups": {name: [found[i].run.name for i in indices] for name, indices in zip(names, groups, strict=True)},
        "runs": [
            {
                "run": f.run.name,
                "seed": f.run.config.seed,
                "vision": {k: v for k, v in f.run.stage("vision").items() if k not in ("status", "files")},
                "fidelity": asdict(f.fidelity),
                "arithmetic": asdict(f.arithmetic),
                "dream": asdict(f.dream) if f.dream else None,
                "evaluation": f.evaluation,
            }
            for f in found
        ],
    }


def _draw(path: Path, runs: Sequence[RunFolder], names: Sequence[str], frames: LabelledFrames) -> None:
    """The same frames as each group's first seed sees them."""
    some = np.linspace(0, len(frames) - 1, min(NUM_SHOWN, len(frames))).astype(np.int64)
    rows = {"frame": frames.frames[some]}
    for name, run in zip(names, runs, strict=True):
        vision = load_vision(run.vision).eval()
        rows[name] = reconstruct(vision, frames.frames[some])
    draw_sheet(path, rows)
