"""Arithmetic in V's latent space: z + s v, where v is what an attribute adds. Does the decoded picture show it?

A classifier of pictures that knows nothing of V is the judge. Two kinds of v are measured side by side, one vector for
all frames and local ones; see `attribute_vectors`.

Shapes: n frames, k the 6 attributes, z latent.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from reverie.measure.statistics import dose_correlation, wilson_interval
from reverie.measure.truth.labelled import ATTRIBUTES, LabelledFrames
from reverie.measure.vision.attribute_vectors import (
    BESIDE,
    GRASS,
    KERB,
    LEFT,
    RIGHT,
    STRAIGHT,
    Kind,
    Shift,
    contrast,
    shifts,
)
from reverie.models.autoencoder import Autoencoder
from reverie.models.coding import decode, encode
from reverie.seeding import generator
from reverie.types import Frames

SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0)
"""Scales s to choose from."""
NUM_DOSES = 7
"""Scales from 0 to s at which the response is read."""
DRAWS = 2
"""Random vectors for each frame."""
TOLERANCE = 0.02
"""A probability that falls by no more than this from one dose to the next still counts as rising."""

_CURVES = (LEFT, RIGHT, STRAIGHT)
_NOT_COUNTED = dict.fromkeys(_CURVES, (*_CURVES, KERB)) | {
    GRASS: (GRASS, BESIDE),
    KERB: (KERB,),
    BESIDE: (BESIDE,),
}


class AttributeJudge(Protocol):
    """A classifier of pictures."""

    def attributes(self, frames: Frames) -> np.ndarray:
        """Frames (n, 64, 64, 3) uint8 -> probabilities (n, 6) in the order of `ATTRIBUTES`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a step in latent space does to the verdicts on the decoded frames; None where no frame can say."""

    flip: float | None
    """Share of the frames that the judge says have the attribute, after the step."""
    keep: float | None
    """Share of the verdicts on the other attributes that the step leaves as they were, wherever the label is not
    "neither". Not counted is what the target implies: left, right and straight exclude one another and decide on the
    kerb (the simulator paints one on each lasting curve: 95% of the curved frames show it, 21% of the straight ones);
    who is on the grass is beside the centre."""
    keep_each: Mapping[str, float | None]
    """The same for each other attribute alone, with those that are not counted."""
    monotone: float | None
    """Share of the frames whose probability rises from dose to dose, or falls by no more than `TOLERANCE`."""
    spearman: float | None
    """Mean rank correlation of dose and probability."""
    response: tuple[float, ...]
    """Mean probability at each of the `NUM_DOSES` scales from 0 to s."""


@dataclass(frozen=True, kw_only=True)
class AttributeScore:
    """One attribute, one kind of vector."""

    attribute: str
    vector: Kind
    scale: float
    """s, chosen on other tracks for the harmonic mean of flip and keep."""
    neighbours: int | None
    """Of a local vector, chosen likewise."""
    norm: float
    """Mean length of s v."""
    edit: Effect
    flip_ci95: tuple[float, float] | None
    """Wilson's interval with the tracks as the sample: frames of one track are taken for one observation."""
    keep_ci95: tuple[float, float] | None
    random: Effect
    """Of random vectors of the same length; they vary most where the latents do."""
    num_frames: int
    num_tracks: int


@dataclass(frozen=True, kw_only=True)
class Arithmetic:
    """All attributes, for both kinds of vectors."""

    scores: tuple[AttributeScore, ...]
    judge_on_reconstructions: Mapping[str, float | None]
    """Mean of the judge's hit rates on frames with and without, in V's reconstructions of the test frames: an attribute
    that V does not draw cannot be edited."""
    num_train_frames: int
    num_tune_frames: int
    num_test_frames: int

    def score(self, attribute: str, vector: Kind) -> AttributeScore:
        """The score of one attribute."""
        return next(found for found in self.scores if (found.attribute, found.vector) == (attribute, vector))


def measure_arithmetic(
    vision: Autoencoder,
    judges: AttributeJudge,
    train: LabelledFrames,
    tune: LabelledFrames,
    test: LabelledFrames,
    seed: int,
    *,
    max_frames: int | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Arithmetic:
    """Vectors from `train`, their scales from `tune`, and what they do from `test`: frames of three sets of tracks.

    An edit starts from frames that lack the attribute, by the label and, of V's reconstruction, by the judge; a curve
    from straight ones. At most `max_frames` are taken for each, evenly. `advance` is called after each of 12 scores.
    """
    z, _ = encode(vision, train.frames)
    spread, made = z.std(0), shifts(z, train.attributes)
    tuned, tested = _Bench(vision, judges, tune, max_frames), _Bench(vision, judges, test, max_frames)
    scores = []
    for (target, kind), candidates in made.items():
        tried = [(tuned.merit(target, shift, scale), shift, scale) for shift in candidates for scale in SCALES]
        _, shift, scale = max(tried, key=lambda found: found[0])
        rng = generator(seed, "arithmetic", ATTRIBUTES[target], kind)
        scores.append(tested.score(target, kind, shift, scale, spread, rng))
        advance()
    return Arithmetic(
        scores=tuple(scores),
        judge_on_reconstructions=tested.hit_rates(),
        num_train_frames=len(train),
        num_tune_frames=len(tune),
        num_test_frames=len(test),
    )


class _Bench:
    """Frames to edit, with what the judge says of their reconstructions."""

    def __init__(
        self, vision: Autoencoder, judges: AttributeJudge, labelled: LabelledFrames, max_frames: int | None
    ) -> None:
        self.vision, self.judges, self.labelled = vision, judges, labelled
        self.z, _ = encode(vision, labelled.frames)
        self.before = self._judge(self.z)
        self.starts = [self._starts(target, max_frames) for target in range(len(ATTRIBUTES))]

    def _judge(self, z: np.ndarray) -> np.ndarray:
        return np.asarray(self.judges.attributes(decode(self.vision, z)), np.float64)

    def _starts(self, target: int, max_frames: int | None) -> np.ndarray:
        found = np.flatnonzero(contrast(self.labelled.attributes, target)[1] & (self.before[:, target] < 0.5))
        if max_frames is None or len(found) <= max_frames:
            return found
        return found[np.linspace(0, len(found) - 1, max_frames).astype(np.int64)]

    def merit(self, target: int, shift: Shift, scale: float) -> float:
        """Harmonic mean of flip and keep."""
        at = self.starts[target]
        after = self._judge(self.z[at] + scale * shift(self.z[at]))
        flip, keep = _mean(after[:, target] >= 0.5) or 0.0, _mean(self._kept(target, at, after)) or 0.0
        return 2 * flip * keep / (flip + keep) if flip and keep else 0.0

    def score(
        self, target: int, kind: Kind, shift: Shift, scale: float, spread: np.ndarray, rng: np.random.Generator
    ) -> AttributeScore:
        """What s v does, and what random vectors of its length do."""
        at = self.starts[target]
        step = scale * shift(self.z[at])
        length = np.linalg.norm(step, axis=1, keepdims=True)
        doses = self._doses(at, step)
        noise = [rng.normal(size=step.shape) * spread for _ in range(DRAWS)]
        noise = [length * v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-12) for v in noise]
        random = np.concatenate([self._doses(at, v) for v in noise], 1)
        tracks = len(np.unique(self.labelled.track[at]))
        edit = self._effect(target, at, doses)
        return AttributeScore(
            attribute=ATTRIBUTES[target],
            vector=kind,
            scale=scale,
            neighbours=shift.neighbours,
            norm=float(length.mean()) if len(at) else 0.0,
            edit=edit,
            flip_ci95=wilson_interval(edit.flip, tracks),
            keep_ci95=wilson_interval(edit.keep, tracks),
            random=self._effect(target, np.tile(at, DRAWS), random),
            num_frames=len(at),
            num_tracks=tracks,
        )

    def _doses(self, at: np.ndarray, step: np.ndarray) -> np.ndarray:
        """Verdicts (doses, n, 6) from no step to the whole."""
        parts = [self._judge(self.z[at] + part * step) for part in np.linspace(0, 1, NUM_DOSES)[1:]]
        return np.stack([self.before[at], *parts])

    def _effect(self, target: int, at: np.ndarray, doses: np.ndarray) -> Effect:
        response, after = doses[:, :, target], doses[-1]
        others = [j for j in range(len(ATTRIBUTES)) if j != target]
        return Effect(
            flip=_mean(response[-1] >= 0.5),
            keep=_mean(self._kept(target, at, after)),
            keep_each={ATTRIBUTES[j]: _mean(self._unchanged(j, at, after)) for j in others},
            monotone=_mean((np.diff(response, axis=0) >= -TOLERANCE).all(0)),
            spearman=_mean(dose_correlation(response)),
            response=tuple(response.mean(1).tolist()) if len(at) else (),
        )

    def _kept(self, target: int, at: np.ndarray, after: np.ndarray) -> np.ndarray:
        counted = [j for j in range(len(ATTRIBUTES)) if j not in _NOT_COUNTED[target]]
        return np.concatenate([self._unchanged(j, at, after) for j in counted])

    def _unchanged(self, other: int, at: np.ndarray, after: np.ndarray) -> np.ndarray:
        known = self.labelled.attributes[at, other] >= 0
        return ((after[:, other] >= 0.5) == (self.before[at, other] >= 0.5))[known]

    def hit_rates(self) -> dict[str, float | None]:
        """Balanced accuracy of the judge on the reconstructions."""
        found: dict[str, float | None] = {}
        for j, name in enumerate(ATTRIBUTES):
            label, verdict = self.labelled.attributes[:, j], self.before[:, j] >= 0.5
            with_it, without = _mean(verdict[label == 1]), _mean(~verdict[label == 0])
            found[name] = None if with_it is None or without is None else (with_it + without) / 2
        return found


def _mean(values: np.ndarray | np.bool) -> float | None:
    return float(values.mean()) if values.size else None
