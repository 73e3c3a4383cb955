"""An episode as somebody else kept it, and how it becomes one of ours: frames of 64 x 64, actions as M reads them.

Shapes: t decisions, h w c a picture.
"""

from dataclasses import dataclass

import numpy as np

from reverie.data.episode import Episode
from reverie.data.store import MAX_DECISIONS
from reverie.envs.picture import SIZE, to_64
from reverie.envs.spec import EnvSpec

FRAME = (SIZE, SIZE, 3)


@dataclass(frozen=True, kw_only=True, eq=False)
class ForeignEpisode:
    """Decision i saw `obs[i]`, took `act[i]`, and got `rew[i]` and `obs[i + 1]`; whatever shapes they may have."""

    obs: np.ndarray
    """(t + 1, h, w, c): our frames, or pictures as the environment shows them."""
    act: np.ndarray
    """(t, ...) in the environment's terms."""
    rew: np.ndarray
    """(t,)"""
    end: bool
    """The world ended it."""
    trunc: bool
    """It was cut off."""
    seed: int | None
    """What the environment was reset with, if anybody knows."""


def as_episode(found: ForeignEpisode, spec: EnvSpec) -> Episode:
    """The episode as the world of `spec` would have given it. Raises ValueError, or UserError, where it cannot have."""
    t = len(found.act)
    if not 0 < t <= MAX_DECISIONS:
        raise ValueError(f"it has {t:,} decisions: give 1 to {MAX_DECISIONS:,}")
    lengths = len(found.obs), len(found.rew)
    if lengths != (t + 1, t):
        raise ValueError(f"of {t:,} decisions it has {lengths[0]:,} observations and {lengths[1]:,} rewards")
    return Episode(
        obs=_frames(found.obs, spec),
        act=_actions(found.act, spec),
        rew=_numbers(found.rew.reshape(t, -1), (1,), "rewards")[:, 0].astype(np.float32),
        end=found.end,
        trunc=found.trunc,
    )


def _frames(obs: np.ndarray, spec: EnvSpec) -> np.ndarray:
    """(t + 1, 64, 64, 3) uint8, of pictures of that size or of the environment's."""
    wanted = spec.picture.shape
    if obs.shape[1:] not in (FRAME, wanted):
        raise ValueError(f"its pictures are {obs.shape[1:]}: give {FRAME}, or {wanted} as the environment shows them")
    if obs.dtype.kind == "f":
        if not (obs.min() >= 0 and obs.max() <= 1):
            raise ValueError("its pictures are numbers with a decimal point outside of 0 to 1: give uint8, or 0 to 1")
        obs = (obs * 255 + 0.5).astype(np.uint8)
    if obs.dtype != np.uint8:
        raise ValueError(f"its pictures are {obs.dtype}: give uint8, or numbers with a decimal point from 0 to 1")
    if obs.shape[1:] == FRAME:
        return np.ascontiguousarray(obs)
    return np.stack([to_64(picture[: spec.picture.rows]) for picture in obs])


def _actions(act: np.ndarray, spec: EnvSpec) -> np.ndarray:
    """(t, a) float32, as M reads them."""
    shape = spec.actions.space().shape or ()
    if shape == () and act.shape[1:] == (1,):
        act = act[:, 0]
    act = _numbers(act, shape, "actions")
    return spec.actions.from_env(act)


def _numbers(array: np.ndarray, shape: tuple[int, ...], name: str) -> np.ndarray:
    """The array, whose rows have that shape."""
    if array.shape[1:] != shape:
        raise ValueError(f"each of its {name} is {array.shape[1:]}, where the environment has {shape}")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"its {name} are {array.dtype}, no numbers")
    if not np.isfinite(array).all():
        raise ValueError(f"its {name} hold NaN or infinities")
    return array
