"""Several runs side by side: groups that differ by settings, each with a few seeds, measured on the same tracks.

Shapes: s seeds of a group, g tracks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reverie.measure.statistics import confidence_interval
from reverie.measure.vision.gate import Better

Verdict = Literal["better", "worse", "no clear difference", "not known"]
SHOWN = 3
"""Settings in the name of a group."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One quantity of one group."""

    means: tuple[float, ...]
    """Of each seed."""
    per_track: np.ndarray | None
    """(s, g) the same tracks in every group; None where there are none."""

    @property
    def mean(self) -> float:
        """Over seeds."""
        return float(np.mean(self.means))

    @property
    def std(self) -> float:
        """Over seeds (n - 1); 0 for one."""
        return float(np.std(self.means, ddof=1)) if len(self.means) > 1 else 0.0


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A group against the first one, in one quantity."""

    mean: float
    ci95: tuple[float, float] | None
    """Student's interval over tracks, in pairs, seeds averaged; None where there are no tracks to pair."""
    verdict: Verdict


def compare(first: Sample, other: Sample, better: Better) -> Difference:
    """Better or worse only where every seed of one beats every seed of the other, and the interval over tracks leaves
    out 0; not known where there is no interval."""
    difference = other.mean - first.mean
    if first.per_track is None or other.per_track is None:
        return Difference(mean=difference, ci95=None, verdict="not known")
    a, b = (_badness(np.array(sample.means), better) for sample in (first, other))
    ci95 = confidence_interval(other.per_track.mean(0) - first.per_track.mean(0))
    pairs = confidence_interval(_badness(other.per_track, better).mean(0) - _badness(first.per_track, better).mean(0))
    if pairs is None:
        return Difference(mean=difference, ci95=ci95, verdict="not known")
    apart = (b.max() < a.min() or b.min() > a.max()) and (pairs[0] > 0 or pairs[1] < 0)
    verdict: Verdict = "no clear difference"
    if apart:
        verdict = "better" if b.mean() < a.mean() else "worse"
    return Difference(mean=difference, ci95=ci95, verdict=verdict)


def _badness(values: np.ndarray, better: Better) -> np.ndarray:
    if better == "near 1":
        return np.abs(values - 1)
    return values if better == "lower" else -values


def group(settings: Sequence[Mapping[str, object]], names: Sequence[str | None] = ()) -> list[list[int]]:
    """Which runs are seeds of one configuration: indices into `settings` (flat, key -> value), in order of appearance.
    Those that the reader gave `names` are grouped by them.

    Where they run, how many seeds they have been given and on how many tracks they were evaluated does not tell
    configurations apart.
    """
    groups: dict[str, list[int]] = {}
    for i, (flat, name) in enumerate(zip(settings, names or [None] * len(settings), strict=True)):
        groups.setdefault(f"name {name}" if name else repr(sorted(_telling(flat).items())), []).append(i)
    return list(groups.values())


def differing(settings: Sequence[Mapping[str, object]], groups: Sequence[Sequence[int]]) -> dict[str, list[object]]:
    """Settings by which groups differ -> the value of each: first V's model, then choices, then numbers; those of whole
    parts before details."""
    firsts = [_telling(settings[indices[0]]) for indices in groups]
    shared = [key for key in firsts[0] if all(key in flat for flat in firsts)]
    found = {key: [flat[key] for flat in firsts] for key in shared}
    keys = [key for key in shared if len(set(map(repr, found[key]))) > 1]

    def rank(key: str) -> tuple[bool, bool, int, int]:
        is_number = all(isinstance(value, int | float) and not isinstance(value, bool) for value in found[key])
        return key != "vision.model", is_number, key.count("."), len(key)

    return {key: found[key] for key in sorted(keys, key=rank)}


def labels(
    settings: Sequence[Mapping[str, object]], groups: Sequence[Sequence[int]], names: Sequence[str | None] = ()
) -> list[str]:
    """A name for each group: the reader's, or the settings by which it differs from others, at most `SHOWN` of them."""
    keys = list(differing(settings, groups).items())
    said = [", ".join(_said(key, values[i]) for key, values in keys[:SHOWN]) for i in range(len(groups))]
    given = [names[indices[0]] if names else None for indices in groups]
    said = [name or words for name, words in zip(given, said, strict=True)]
    return [
        words if words and said.count(words) == 1 else f"{words} ({i + 1})" if words else str(i + 1)
        for i, words in enumerate(said)
    ]


_NOT_TELLING = ("seed", "workers", "device", "name", "description", "evaluate.tracks", "evaluate.first_seed")


def _telling(flat: Mapping[str, object]) -> dict[str, object]:
    """Settings that make a configuration; those of the vision model that is not used do not count."""
    unused = "vision.vae." if flat.get("vision.model") == "vae_gan" else "vision.vae_gan."
    return {key: value for key, value in flat.items() if key not in _NOT_TELLING and not key.startswith(unused)}


def _said(key: str, value: object) -> str:
    return str(value) if key == "vision.model" else f"{key.rsplit('.', 1)[-1]} {value}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Markdown; the first row is the header."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def row(name: str, better: Better, samples: Sequence[Sample], *, floor: float | None = None) -> list[str]:
    """A line of the table: mean and spread over seeds of each group, and each one's difference from the first."""
    cells = [name, {"lower": "lower", "higher": "higher", "near 1": "near 1"}[better]]
    cells.append("" if floor is None else _number(floor))
    cells += [f"{_number(s.mean)} ± {_number(s.std)}" if len(s.means) > 1 else _number(s.mean) for s in samples]
    for sample in samples[1:]:
        difference = compare(samples[0], sample, better)
        interval = f" [{_number(difference.ci95[0])}, {_number(difference.ci95[1])}]" if difference.ci95 else ""
        cells.append(f"{_number(difference.mean)}{interval}")
        cells.append(difference.verdict)
    return cells


def header(names: Sequence[str]) -> list[str]:
    """The table's first row."""
    cells = ["measure", "better", "real frames", *names]
    for name in names[1:]:
        cells += [f"{name} - {names[0]}", f"{name} is"]
    return cells


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.1f}"
