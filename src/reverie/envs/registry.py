"""Names of environments and the classes behind them, loaded only when one is made."""

import importlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reverie.envs.config import EnvConfig
from reverie.errors import UserError

if TYPE_CHECKING:
    import gymnasium

    from reverie.envs.pixels import GymnasiumBatch
    from reverie.envs.vector import VectorEnv

FAST_ID = "reverie/CarRacing-v3"

# Environments with a rasteriser of our own: Gymnasium id -> batch class, and the id of ours.
_FAST = {"CarRacing-v3": ("reverie.envs.car_racing.batch:CarRacingBatch", FAST_ID)}
_GYMNASIUM_BATCH = "reverie.envs.pixels:GymnasiumBatch"


def register() -> None:
    """Tell Gymnasium of `reverie/CarRacing-v3`; safe to call again. Loads no code of the environment."""
    from gymnasium.envs import registration

    if FAST_ID in registration.registry:
        return
    # A loader of plugins sets the namespace itself and refuses one in the id.
    name = FAST_ID if registration.current_namespace is None else FAST_ID.split("/")[1]
    registration.register(
        id=name,
        entry_point="reverie.envs.car_racing.env:FastCarRacing",
        max_episode_steps=1000,
        reward_threshold=900,
    )


def make_env(config: EnvConfig, **kwargs: Any) -> "gymnasium.Env":
    """One Gymnasium environment with its own observations; `kwargs` go to `gymnasium.make` (render_mode, ...).

    The time limit is `config.max_frames`; one step is one simulator frame, whatever `config.action_repeat` says.
    """
    import gymnasium

    config = _check(config)
    env_id = config.id
    if _is_fast(config):
        register()
        env_id = _FAST[config.id][1]
    return gymnasium.make(env_id, max_episode_steps=config.max_frames, **kwargs)


def make_vector_env(config: EnvConfig, num_envs: int) -> "VectorEnv":
    """A batch of `num_envs` environments that give (64, 64, 3) frames; see `reverie.envs.vector.VectorEnv`."""
    config = _check(config)
    if num_envs < 1:
        raise UserError(f"num_envs is {num_envs}: give at least 1")
    return _load(_FAST[config.id][0] if _is_fast(config) else _GYMNASIUM_BATCH)(config, num_envs)


def make_watched(config: EnvConfig, render_mode: str) -> "GymnasiumBatch":
    """One environment that Gymnasium draws and shows, and whose steps are single simulator frames."""
    from reverie.envs.pixels import GymnasiumBatch

    return GymnasiumBatch(replace(_check(config), action_repeat=1), 1, render_mode=render_mode)


def action_size(config: EnvConfig) -> int:
    """Numbers in one action of `config.id`."""
    return len(action_bounds(config)[0])


def action_bounds(config: EnvConfig) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Least and greatest value of each number in an action of `config.id`."""
    from gymnasium.spaces import Box

    config = _check(config)
    if config.id in _FAST:
        return (-1.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    env = make_env(config)
    try:
        space = env.action_space
    finally:
        env.close()
    if not isinstance(space, Box) or len(space.shape) != 1:
        raise UserError(
            f"env.id {config.id!r} has no continuous action vector: choose an environment with a Box of one axis"
        )
    return tuple(space.low.tolist()), tuple(space.high.tolist())


def _is_fast(config: EnvConfig) -> bool:
    return config.renderer == "fast" and config.id in _FAST


def _check(config: EnvConfig) -> EnvConfig:
    """The same, with Gymnasium's name where ours was given: who draws is a setting of its own."""
    import gymnasium

    if config.renderer not in ("fast", "gymnasium"):
        raise UserError(f"env.renderer is {config.renderer!r}: use 'fast' or 'gymnasium'")
    for field in ("action_repeat", "max_frames"):
        if getattr(config, field) < 1:
            raise UserError(f"env.{field} is {getattr(config, field)}: give at least 1")
    if config.id not in gymnasium.registry:
        cure = f"{_nearest(config.id, list(gymnasium.registry))}or install the package that registers it"
        raise UserError(f"env.id {config.id!r} is not known to Gymnasium: {cure}")
    return next((replace(config, id=name) for name, (_, ours) in _FAST.items() if config.id == ours), config)


def _nearest(name: str, names: list[str]) -> str:
    import difflib

    found = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {found[0]!r}? Correct it " if found else "correct it "


def _load(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
