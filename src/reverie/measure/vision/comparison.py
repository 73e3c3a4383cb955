"""Several runs side by side: groups that differ by settings, each with a few seeds, measured on the same tracks.

Shapes: s seeds of a group, g tracks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reverie.measure.statistics import confidence_interval
from reverie.measure.vision.gate import Better

Verdict = Literal["better", "worse", "no clear difference"]


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
    """Better or worse only where every seed of one beats every seed of the other, and the interval over tracks, if
    there is one, leaves out 0."""
    a, b = (_badness(np.array(sample.means), better) for sample in (first, other))
    apart = bool(b.max() < a.min() or b.min() > a.max())
    ci95 = None
    if first.per_track is not None and other.per_track is not None:
        ci95 = confidence_interval(other.per_track.mean(0) - first.per_track.mean(0))
        pairs = confidence_interval(
            _badness(other.per_track, better).mean(0) - _badness(first.per_track, better).mean(0)
        )
        apart = apart and (pairs is None or pairs[0] > 0 or pairs[1] < 0)
    verdict: Verdict = "no clear difference"
    if apart:
        verdict = "better" if b.mean() < a.mean() else "worse"
    return Difference(mean=other.mean - first.mean, ci95=ci95, verdict=verdict)


def _badness(values: np.ndarray, better: Better) -> np.ndarray:
    if better == "near 1":
        return np.abs(values - 1)
    return values if better == "lower" else -values


def group(settings: Sequence[Mapping[str, object]]) -> list[list[int]]:
    """Which runs are seeds of one configuration: indices into `settings` (flat, key -> value), in order of appearance.

    Where they run, and how many seeds they have been given, does not tell configurations apart.
    """
    groups: dict[str, list[int]] = {}
    for i, flat in enumerate(settings):
        groups.setdefault(repr(sorted(_telling(flat).items())), []).append(i)
    return list(groups.values())


def labels(settings: Sequence[Mapping[str, object]], groups: Sequence[Sequence[int]]) -> list[str]:
    """A name for each group: the settings, at most three, by which it differs from others; the plainest first."""
    firsts = [_telling(settings[indices[0]]) for indices in groups]
    shared = [key for key in firsts[0] if all(key in flat for flat in firsts)]
    keys = [key for key in shared if len({repr(flat[key]) for flat in firsts}) > 1]
    keys.sort(key=lambda key: (key != "vision.model", key.count("."), len(key)))
    names = [", ".join(_said(key, flat.get(key)) for key in keys[:3]) for flat in firsts]
    return names if len(set(names)) == len(names) > 1 else [name or str(i + 1) for i, name in enumerate(names)]


_NOT_TELLING = ("seed", "workers", "name", "description")


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
