"""Measures that must first show that they can tell.

Each is taken of a model's pictures and of four controls: the real frames, a mild and a strong blur of them, and wrong
frames. Where these do not rank in this order, the measure is refused: what it says of the model is not reported.

Shapes: n frames, g tracks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from reverie.measure.statistics import confidence_interval

Better = Literal["lower", "higher", "near 1"]
CONTROLS = ("real", "mild blur", "strong blur", "wrong frame")
"""From best to worst."""

Values = Mapping[str, np.ndarray]
"""By track (g,), of the model and of each control."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One measure of one model."""

    name: str
    better: Better
    mean: float
    """Over tracks."""
    ci95: tuple[float, float] | None
    """Student's interval of the mean, with the tracks as the sample."""
    per_track: tuple[float, ...]
    """In the order of `Fidelity.tracks`."""
    controls: Mapping[str, float]
    """Means of the `CONTROLS`; that of "real" is the best that can be hoped for."""
    floor: float
    """What real frames get; for the linear probe, what the state probe gets."""
    parts: Mapping[str, float]
    """For the response to shifts, its mean at each number of pixels."""
    doubt: str
    """Which of the controls rank by their means, but not beyond chance; "" if none."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A measure that cannot tell, and so says nothing of the model."""

    name: str
    controls: Mapping[str, float]
    reason: str


def ranking_fault(controls: Values, better: Better) -> tuple[str, str]:
    """Why the controls (g,) of a measure do not rank, each mean worse than the one before it; and where they do, but
    not surely: where the 95% interval of the difference, in pairs by track, does not lie above 0. "" if there is
    nothing to say."""
    badness = {"lower": lambda v: v, "higher": lambda v: -v, "near 1": lambda v: abs(v - 1)}[better]
    doubt = ""
    for a, b in pairwise(CONTROLS):
        worse = badness(controls[b]) - badness(controls[a])
        if not worse.mean() > 0:
            return f"{b} is not worse than {a} (by {worse.mean():.2g})", ""
        interval = confidence_interval(worse)
        if not doubt and (interval is None or not interval[0] > 0):
            doubt = f"{b} is not surely worse than {a}"
    return "", doubt


class Gate:
    """Lets measures through, and keeps them and those that it refused."""

    def __init__(self, track: np.ndarray) -> None:
        """`track`: which of the g tracks, from 0, each frame is of, (n,)."""
        self.track = track
        self.measures: list[Measure] = []
        self.refused: list[Refusal] = []

    def by_track(self, values: np.ndarray) -> np.ndarray:
        """Values of frames (n,) -> their means by track (g,)."""
        return np.bincount(self.track, np.asarray(values, np.float64)) / np.bincount(self.track)

    def add(
        self,
        name: str,
        better: Better,
        values: Values,
        *,
        floor: float | None = None,
        parts: Mapping[str, float] | None = None,
    ) -> None:
        """A measure by its values by track (g,), of "model" and each control."""
        controls = {name: float(values[name].mean()) for name in CONTROLS}
        fault, doubt = ranking_fault(values, better)
        if fault:
            self.refused.append(Refusal(name=name, controls=controls, reason=fault))
            return
        measure = Measure(
            name=name,
            better=better,
            mean=float(values["model"].mean()),
            ci95=confidence_interval(values["model"]),
            per_track=tuple(values["model"].tolist()),
            controls=controls,
            floor=controls["real"] if floor is None else floor,
            parts=parts or {},
            doubt=doubt,
        )
        self.measures.append(measure)
