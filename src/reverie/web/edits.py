"""What to add to a latent so that the road in it bends more, or the car stands elsewhere on it.

A linear model of latents by what is true of their frames: each number of z is fitted by least squares to offset,
heading, curvature, grass and kerb, over frames of random driving. What it says one of them adds, all others being as
they are, is the vector of that edit.

Shapes: n frames, z latent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from reverie.errors import UserError
from reverie.measure.truth.labelled import ATTRIBUTES, STATE, LabelledFrames, labelled_frames
from reverie.models.coding import encode
from reverie.models.vision import Vision
from reverie.seeding import TRAINING_TRACKS, generator, sample_tracks

NUM_TRACKS = 256
"""Tracks whose frames are looked at, about 4 of each: 8 seconds of a core."""
_GRASS, _KERB = "on grass", "kerb in view"
_ORDER = (*STATE, _GRASS, _KERB)
_STEPS = {
    "left bend": ("curvature", 0.04),
    "nose to the left": ("heading", 0.6),
    "car to the right": ("offset", 6.0),
    "onto the grass": (_GRASS, 1.0),
}
"""Edit -> what of the truth it changes, and by how much: one or two deviations of it."""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A direction in latent space."""

    name: str
    vector: tuple[float, ...]
    """(z,)"""


def edits_of(vision: Vision, num_tracks: int = NUM_TRACKS) -> list[Edit]:
    """The edits of a V that sees CarRacing; they are the same whenever they are asked for. Raises UserError where it
    gives numbers that are none."""
    frames = _frames(num_tracks)
    z = encode(vision, frames.frames, batch=64)[0].astype(np.float64)
    if not np.isfinite(z).all():
        raise UserError("V gives numbers that are none: train it anew")
    return edits_from(z, frames.state, frames.attributes)


def edits_from(z: np.ndarray, state: np.ndarray, attributes: np.ndarray) -> list[Edit]:
    """The same, given latents z (n, z), state (n, 3) and attributes (n, 6) of their frames."""
    known = [attributes[:, ATTRIBUTES.index(name)] == 1 for name in (_GRASS, _KERB)]
    causes = np.concatenate([state, np.stack(known, 1), np.ones((len(z), 1))], 1).astype(np.float64)
    adds = np.linalg.lstsq(causes, z, rcond=None)[0]
    vectors = {name: step * adds[_ORDER.index(of)] for name, (of, step) in _STEPS.items()}
    return [Edit(name=name, vector=_rounded(vector)) for name, vector in vectors.items()]


def _rounded(vector: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(number), 4) for number in vector)


@cache
def _frames(num_tracks: int) -> LabelledFrames:
    tracks: Sequence[int] = sample_tracks(generator(0, "edits"), num_tracks, TRAINING_TRACKS)
    return labelled_frames(tracks, seed=0)
