"""Frames with the truth about them, read off the simulator: what vision models are measured on.

Shapes: n frames of (64, 64, 3) uint8, 3 numbers of state, k attributes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from reverie.envs.config import EnvConfig
from reverie.envs.random_policies import random_policy
from reverie.envs.starts import start
from reverie.envs.truth import Labels, labelled_env
from reverie.envs.vector import Transition
from reverie.rollout import rollout
from reverie.types import Floats, Frames

STATE = ("offset", "heading", "curvature")
"""From the middle of the road (right positive), against the road (left positive, rad), of the next 10 tiles (rad per
unit of length, left positive)."""
ATTRIBUTES = ("left curve", "right curve", "straight", "on grass", "kerb in view", "beside the centre")
CURVED, STRAIGHT = 0.02, 0.006
"""Curvature from which a road is curved, and up to which it is straight; between the two it is neither."""
BESIDE, CENTRED = 3.5, 2.0
"""The same for the distance from the road's middle, whose half width is 6.67."""
MAX_OFFSET, MAX_HEADING = 12.0, 1.0
"""Frames from farther off, or facing elsewhere, show too little road for a state to be read off them."""

_REPEAT = 4
_FIRST, _EVERY, _LAST = 13, 4, 45
"""Decisions: from the end of the opening zoom (50 frames) on, every so many, until the last."""
_ROWS = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledFrames:
    """n frames of a road and what is true of them."""

    frames: Frames
    """(n, 64, 64, 3)"""
    state: Floats
    """(n, 3) in the order of `STATE`."""
    attributes: np.ndarray
    """(n, 6) int8 in the order of `ATTRIBUTES`: 1 yes, 0 no, -1 neither (between two thresholds)."""
    track: np.ndarray
    """(n,) int64 reset seed of the track."""

    def __len__(self) -> int:
        return len(self.frames)

    def select(self, index: np.ndarray) -> "LabelledFrames":
        """Some of the frames, by index or mask."""
        return LabelledFrames(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


def labelled_frames(tracks: Sequence[int], seed: int) -> LabelledFrames:
    """Frames of random driving: one car a track, put down anywhere on the road, about 7 frames of each.

    They are at least 16 simulator frames apart, and in the order of `tracks`.
    """
    return joined([_wave(tracks[first : first + _ROWS], first, seed) for first in range(0, len(tracks), _ROWS)])


def joined(parts: Sequence[LabelledFrames]) -> LabelledFrames:
    """The frames of all parts, in order."""
    return LabelledFrames(
        **{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(LabelledFrames)}
    )


def _wave(tracks: Sequence[int], first: int, seed: int) -> LabelledFrames:
    config = EnvConfig(action_repeat=_REPEAT)
    env = labelled_env(config, len(tracks))
    found: list[tuple[np.ndarray, Frames, Labels]] = []
    decision = 0

    def observe(rows: np.ndarray, obs: np.ndarray, act: np.ndarray, step: Transition) -> None:  # noqa: ARG001
        nonlocal decision
        decision += 1
        if decision >= _FIRST and (decision - _FIRST) % _EVERY == 0:
            found.append((rows.copy(), step.obs, env.labels(rows)))

    policy = random_policy(config, "walk", hold=6, push=0, seed=seed)
    starts = [start(config, "random", seed, first + i) for i in range(len(tracks))]
    rollout(env, policy, tracks, starts=starts, max_decisions=_LAST, observer=observe)
    rows = np.concatenate([part[0] for part in found])
    frames = np.concatenate([part[1] for part in found])
    labels = Labels(*(np.concatenate(arrays) for arrays in zip(*(part[2] for part in found), strict=True)))
    order = np.argsort(rows, kind="stable")
    order = order[(np.abs(labels.offset) <= MAX_OFFSET)[order] & (np.abs(labels.heading) <= MAX_HEADING)[order]]
    state = np.stack([labels.offset, labels.heading, labels.curvature], 1).astype(np.float32)
    return LabelledFrames(
        frames=frames[order],
        state=state[order],
        attributes=attributes(labels)[order],
        track=np.asarray(tracks, np.int64)[rows[order]],
    )


def attributes(labels: Labels) -> np.ndarray:
    """What `labels` of n scenes say of the six attributes, (n, 6) int8; see `LabelledFrames`."""
    curvature, offset = labels.curvature, np.abs(labels.offset)
    columns = [
        _between(curvature, STRAIGHT, CURVED),
        _between(-curvature, STRAIGHT, CURVED),
        1 - _between(np.abs(curvature), STRAIGHT, CURVED, neither=2),
        _between(labels.grass, 0, 4),
        labels.kerb.astype(np.int8),
        _between(offset, CENTRED, BESIDE),
    ]
    return np.stack(columns, 1).astype(np.int8)


def _between(value: np.ndarray, low: float, high: float, neither: int = -1) -> np.ndarray:
    """1 from `high` on, 0 up to `low`, `neither` between them."""
    return np.where(value >= high, 1, np.where(value <= low, 0, neither)).astype(np.int8)
