"""A name becomes an environment, one or a batch of them, and what there is to know of its world."""

import contextlib
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

from reverie.challenge import Challenge
from reverie.envs.available import first_line, require_env
from reverie.envs.challenges import require_challenge
from reverie.envs.config import FAST_ID, EnvConfig
from reverie.envs.known import GYMNASIUM_BATCH, KNOWN, is_fast, load
from reverie.envs.own_font import own_font
from reverie.envs.spec import EnvSpec, spec_from
from reverie.errors import UserError

if TYPE_CHECKING:
    import gymnasium

    from reverie.envs.pixels import GymnasiumBatch
    from reverie.envs.vector import VectorEnv


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

    The time limit is `config.max_frames`; one step is one simulator frame, whatever `config.action_repeat` says. Where
    what it renders is to be seen, it renders arrays. Raises UserError where it cannot be made.
    """
    import gymnasium

    require_env(config)
    name, wrapper, world = config.name, None, KNOWN.get(config.name)
    if world and world.fast_id and is_fast(config):
        register()
        name = world.fast_id
    elif world:
        wrapper = world.wrapper
    rendered: dict[str, Any] = {"render_mode": "rgb_array"} if config.is_rendered else {}
    arguments = rendered | config.kwargs | kwargs
    try:
        env = gymnasium.make(name, max_episode_steps=config.max_frames, **arguments)
    except Exception as error:
        raise UserError(
            f"env.id {config.id!r} cannot be made with env.kwargs = {config.kwargs} "
            f"({type(error).__name__}: {first_line(error)}): correct them, or install what it needs"
        ) from error
    if "pygame" in sys.modules:
        own_font()
    return load(wrapper)(env) if wrapper else env


def make_vector_env(config: EnvConfig, num_envs: int, challenge: Challenge | None = None) -> "VectorEnv":
    """A batch of `num_envs` environments that give (64, 64, 3) frames, shown as the `challenge` wants it; see
    `reverie.envs.vector.VectorEnv`. UserError as `require_challenge`."""
    if num_envs < 1:
        raise UserError(f"num_envs is {num_envs}: give at least 1")
    require_env(config)
    if challenge:
        require_challenge(config, challenge)
    batch = load(KNOWN[config.name].batch if is_fast(config) else GYMNASIUM_BATCH)
    env = batch(config, num_envs, spec_of(config))
    return load(KNOWN[config.name].challenged)(env, challenge) if challenge else env


def make_watched(config: EnvConfig, render_mode: str | None) -> "GymnasiumBatch":
    """One environment that Gymnasium draws and shows, and whose steps are single simulator frames."""
    from reverie.envs.pixels import GymnasiumBatch

    shown = {} if render_mode is None else {"render_mode": render_mode}
    return GymnasiumBatch(replace(config, action_repeat=1, renderer="gymnasium"), 1, spec_of(config), **shown)


def draw_on_demand(config: EnvConfig, env: "gymnasium.Env[Any, Any]") -> Callable[[], Any] | None:
    """What draws what is seen of an `env` of Gymnasium's own, when it is asked: what it renders where that is seen, or
    the observation, which it draws no more itself from now on; None in a world where nobody knows how."""
    if config.is_rendered:
        return env.render
    world = KNOWN.get(config.name)
    return load(world.on_demand)(env) if world and world.on_demand else None


@lru_cache(maxsize=8)
def spec_of(config: EnvConfig) -> EnvSpec:
    """What there is to know of the world, installed or not, if we know it. Raises UserError where it cannot be
    made, shows no picture, or asks for actions that C cannot give."""
    world = KNOWN.get(config.name)
    if world and config.picture:
        raise UserError(f"env.picture = {config.picture!r}: what is seen of {config.id} is known: leave it empty")
    if world and not config.kwargs:
        return load(world.spec)(config)
    env = make_env(config, disable_env_checker=True)
    try:
        return load(world.spec)(config) if world else spec_from(env, config)
    finally:
        env.close()


def versions_of(config: EnvConfig) -> dict[str, str]:
    """What the world is made of here, and in which versions: Gymnasium, and the package that it comes from."""
    world = KNOWN.get(config.name)
    packages = world.packages if world else (config.module.partition(".")[0],)
    found = dict[str, str]()
    for name in ("gymnasium", *packages):
        with contextlib.suppress(metadata.PackageNotFoundError, ValueError):  # a module that is no package, or none
            found[name] = metadata.version(name)
    return found


def reward_scale(name: str) -> float:
    """The size of rewards that matter in the world that Gymnasium calls `name`, whether it can be made here or not."""
    world = KNOWN.get(name)
    return load(world.spec)(EnvConfig(id=name)).reward_scale if world else EnvSpec.reward_scale
