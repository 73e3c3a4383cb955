"""What there is to know of a world, and how it is read off an environment that nobody knows.

Shapes: b rows, d decisions of an episode.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from reverie.actions import AnyActions, BoxActions, Categories
from reverie.envs.config import RENDERED, EnvConfig, Progress
from reverie.envs.picture import Picture
from reverie.errors import UserError
from reverie.types import LargestReturn

if TYPE_CHECKING:
    import gymnasium

UNKNOWN_FPS = 30.0
"""Of an environment whose metadata do not say."""
_LARGEST_BOUND = 1e30
"""Bounds beyond it are a way to say that there are none."""


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """How the actions of a world read that is seen in a mirror, left for right."""

    order: tuple[int, ...]
    """Of the numbers of an action as M reads it."""
    signs: tuple[int, ...]
    """1 or -1 for each of them, once they are in that order."""

    def of(self, act: np.ndarray) -> np.ndarray:
        """Actions (..., a) in the mirror."""
        return act[..., list(self.order)] * np.array(self.signs, act.dtype)


@dataclass(frozen=True, kw_only=True)
class EnvSpec:
    """A world: pure data."""

    picture: Picture
    actions: AnyActions
    frames_per_second: float
    """Of the simulator."""
    progress: Progress = "always"
    """What of an episode counts as getting on, for `stall_decisions`."""
    largest_return: LargestReturn | None = None
    """None where nobody knows."""
    mirror: Mirror | None = None
    """None where the world in a mirror is another one, or nobody knows."""
    reward_scale: float = 1.0
    """The size of rewards that matter: `memory.model.reward.scale` of a recipe that does not say it."""
    return_range: tuple[float, float] | None = None
    """Between which returns lie, for charts; None where nobody knows."""
    solved: float | None = None
    """The return from which the world counts as solved."""
    render_modes: tuple[str, ...] = ()
    """What Gymnasium's `render_mode` may be."""
    in_paper: bool = False
    """Whether it is the world of the paper's published log and score."""

    def decisions_per_second(self, action_repeat: int) -> Fraction:
        """How often an agent acts, where a decision takes so many frames."""
        return Fraction(self.frames_per_second).limit_denominator(1001) / action_repeat

    def got_on(self, rew: np.ndarray) -> np.ndarray:
        """Which decisions of one episode got on (d,) bool, by its rewards (d,)."""
        rew = rew.astype(np.float64)
        ret = np.cumsum(rew)
        return self.progressed(rew, ret, np.maximum.accumulate(np.concatenate([[0.0], ret]))[:-1])

    def progressed(self, rew: np.ndarray, ret: np.ndarray, best: np.ndarray) -> np.ndarray:
        """Whether decisions got on (b,) bool, by their rewards, the returns with them and the best returns before."""
        if self.progress == "positive_reward":
            return rew > 0
        return ret > best if self.progress == "best_return" else np.ones_like(rew, dtype=bool)


def spec_from(env: "gymnasium.Env[Any, Any]", config: EnvConfig) -> EnvSpec:
    """The spec of any Gymnasium environment, by its spaces and metadata. Raises UserError where it shows no picture, or
    asks for actions that C cannot give."""
    fps = env.metadata.get("render_fps")
    return EnvSpec(
        picture=_picture(env, config),
        actions=_actions(env.action_space, config.id),
        frames_per_second=float(fps) if isinstance(fps, int | float) and fps > 0 else UNKNOWN_FPS,
        progress="always" if config.progress == "auto" else config.progress,
        solved=env.spec.reward_threshold if env.spec else None,
        render_modes=tuple(env.metadata.get("render_modes", ())),
    )


def _picture(env: "gymnasium.Env[Any, Any]", config: EnvConfig) -> Picture:
    from gymnasium.spaces import Dict

    who, space = f"env.id {config.id!r}", env.observation_space
    if config.is_rendered:
        return _rendered(env, who)
    cure = "choose a pixel environment"
    if "rgb_array" in env.metadata.get("render_modes", ()):
        cure = f"set env.picture = {RENDERED!r} to see what it draws for people, or {cure}"
    if not isinstance(space, Dict):
        if config.picture:
            raise UserError(f"{who} has no Dict of observations, where env.picture could be a key: leave it empty")
        if (reason := _no_picture(space)) is not None:
            raise UserError(f"{who} shows no picture: its observation is {reason}; {cure}")
        return Picture(shape=tuple(space.shape or ()))
    keys = list(space.spaces)
    usable = [key for key in keys if _no_picture(space[key]) is None]
    if config.picture:
        if config.picture not in keys:
            raise UserError(f"env.picture: {who} has no {config.picture!r} in its observations, only {_list(keys)}")
        if (reason := _no_picture(space[config.picture])) is not None:
            raise UserError(f"env.picture: {config.picture!r} of {who} is no picture: it is {reason}")
    elif not usable:
        raise UserError(f"{who} shows no picture: none of {_list(keys)} is (height, width, 1 or 3) uint8; {cure}")
    elif len(usable) > 1:
        raise UserError(f"{who} shows several pictures: choose one of {_list(usable)} as env.picture")
    key = config.picture or usable[0]
    return Picture(shape=tuple(space[key].shape or ()), key=key)


def _rendered(env: "gymnasium.Env[Any, Any]", who: str) -> Picture:
    """What it draws for people, by a first frame of it."""
    from gymnasium.spaces import Box

    try:
        env.reset(seed=0)
        frame: Any = env.render()
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"env.picture: {who} cannot be rendered ({reason}): choose another, or mend it") from error
    if not isinstance(frame, np.ndarray):
        raise UserError(
            f"env.picture: {who} renders a {type(frame).__name__} and no array, with render_mode = "
            f"{env.render_mode!r}: choose an environment that knows 'rgb_array'"
        )
    if (reason := _no_picture(Box(0, 255, frame.shape, frame.dtype.type))) is not None:
        raise UserError(f"env.picture: {who} renders no picture but {reason}")
    return Picture(shape=frame.shape)


def _no_picture(space: Any) -> str | None:
    """Why a space is none of pictures, or None where it is."""
    from gymnasium.spaces import Box

    if not isinstance(space, Box):
        return f"a {type(space).__name__}"
    if len(space.shape) not in (2, 3) or space.shape[2:] not in ((), (1,), (3,)) or 0 in space.shape:
        return f"a Box of shape {space.shape}, not (height, width), (height, width, 1) or (height, width, 3)"
    return None if space.dtype == np.uint8 else f"a Box of {space.dtype}, not of uint8"


def _actions(space: Any, env_id: str) -> AnyActions:
    from gymnasium.spaces import Box, Discrete, MultiDiscrete

    if isinstance(space, Discrete):
        return Categories(sizes=(int(space.n),), first=(int(space.start),))
    if isinstance(space, MultiDiscrete):
        sizes, first = (tuple(numbers.ravel().tolist()) for numbers in (space.nvec, space.start))
        return Categories(sizes=sizes, first=first, shape=space.shape)
    if not isinstance(space, Box):
        raise UserError(
            f"env.id {env_id!r} takes actions of a {type(space).__name__}: choose an environment with a Box, "
            "Discrete or MultiDiscrete"
        )
    if not np.issubdtype(space.dtype, np.floating) or not space.shape or 0 in space.shape:
        raise UserError(
            f"env.id {env_id!r} takes actions of a Box {space.shape} of {space.dtype}: choose an environment with a "
            "Box of numbers with a decimal point, at least one"
        )
    low, high = space.low.ravel().astype(np.float64), space.high.ravel().astype(np.float64)
    if not (np.abs([low, high]) < _LARGEST_BOUND).all():
        raise UserError(
            f"env.id {env_id!r} takes actions without bounds: register it in a wrapper with a Box that has finite ones "
            "(gymnasium.wrappers.TransformAction)"
        )
    dtype: Any = space.dtype.name
    return BoxActions(low=tuple(low.tolist()), high=tuple(high.tolist()), shape=space.shape, dtype=dtype)


def _list(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names) or "nothing"
