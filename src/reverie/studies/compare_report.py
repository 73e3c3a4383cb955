"""What was found of runs that are compared, as a table for people and numbers for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from reverie.challenge import Challenge
from reverie.measure.dream.horizon import HORIZONS, DreamHorizon
from reverie.measure.truth.labelled import STATE
from reverie.measure.vision import comparison
from reverie.measure.vision.arithmetic import Arithmetic
from reverie.measure.vision.comparison import Sample
from reverie.measure.vision.fidelity import Fidelity
from reverie.run.folder import RunFolder
from reverie.run.stages import CHECKSUMS

MOST_SETTINGS = 12
"""By which groups differ, in the table; the others stand in the recipes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What one run came to."""

    run: RunFolder
    fidelity: Fidelity
    arithmetic: Arithmetic
    dream: DreamHorizon | None
    returns: np.ndarray | None
    """(n,) of the agent on test tracks, the same for all runs."""
    challenged: Mapping[tuple[Challenge, str], np.ndarray]
    """The same in challenges, by challenge and who drew, those that all runs were measured in."""


def text_of(groups: list[list[Found]], names: list[str], differing: Mapping[str, list[object]], where: str) -> str:
    """The whole table, as Markdown: scores first."""
    head = comparison.header(names)
    parts = [
        f"{where}. Mean ± standard deviation over seeds; differences with their 95% interval over tracks, in pairs. "
        "*Better* or *worse*: every seed of one beats every seed of the other, and the interval leaves out 0; *not "
        "known* where there is no interval. A measure with * ranks its controls (real frames, a mild and a strong "
        "blur, wrong frames) by their means, but not each of them beyond chance.",
        *_scores_text(groups, head),
        comparison.table([["", *names], *_costs(groups), *_differing_rows(differing)]),
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


def _differing_rows(differing: Mapping[str, list[object]]) -> list[list[str]]:
    """Settings by which groups differ, those that tell most first."""
    shown = list(differing.items())[:MOST_SETTINGS]
    rows = [[key, *(str(value) for value in values)] for key, values in shown]
    left = len(differing) - len(shown)
    return rows + ([[f"and {left} more settings", *("" for _ in shown[0][1])]] if left else [])


def _scores_text(groups: list[list[Found]], head: list[str]) -> list[str]:
    """The table of scores, and what it is of."""
    scores = [[found.returns for found in group if found.returns is not None] for group in groups]
    if not scores[0]:
        return []
    samples = [_sample([float(values.mean()) for values in group], group) for group in scores]
    rows = [comparison.row(f"score, {len(scores[0][0])} test tracks", "higher", samples)]
    for way in groups[0][0].challenged:
        values = [[found.challenged[way] for found in group] for group in groups]
        samples = [_sample([float(one.mean()) for one in group], group) for group in values]
        name = f"score, challenge {way[0]}, {len(values[0][0])} test tracks drawn by {way[1]}"
        rows.append(comparison.row(name, "higher", samples))
    return [comparison.table([head, *rows])]


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
    return rows


def _sample(means: Sequence[float], per_track: Sequence[Sequence[float] | np.ndarray] | None = None) -> Sample:
    same = per_track is not None and len({len(values) for values in per_track}) == 1 and len(per_track[0]) > 1
    return Sample(means=tuple(means), per_track=np.array(per_track) if same else None)


def numbers_of(
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
                "vision": {k: v for k, v in f.run.stage("vision").items() if k not in ("status", *CHECKSUMS)},
                "fidelity": asdict(f.fidelity),
                "arithmetic": asdict(f.arithmetic),
                "dream": asdict(f.dream) if f.dream else None,
                "returns": None if f.returns is None else f.returns.tolist(),
                "challenged": [
                    {"challenge": challenge, "renderer": renderer, "returns": returns.tolist()}
                    for (challenge, renderer), returns in f.challenged.items()
                ],
            }
            for f in found
        ],
    }
