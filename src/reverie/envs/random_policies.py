"""Random policies that know what the actions of a world mean."""

from typing import Any

from reverie.envs.config import EnvConfig
from reverie.envs.known import KNOWN, load, worlds_with
from reverie.envs.registry import spec_of
from reverie.errors import UserError


def require_policy(config: EnvConfig, kind: str) -> None:
    """Raises UserError where there is no random policy called `kind` that knows what actions mean in the world."""
    world = KNOWN.get(config.name)
    if world is None or kind not in world.policies:
        known = worlds_with(lambda one: kind in one.policies)
        raise UserError(
            f"collect.policy = {kind!r} knows how to act in {known} only, not in {config.id}: set "
            "collect.policy = 'random', or 'networks'",
            usage=True,
        )
    if spec_of(config).actions != spec_of(EnvConfig(id=config.name)).actions:
        raise UserError(
            f"collect.policy = {kind!r} steers and has pedals, and {config.id} with env.kwargs = {config.kwargs} does "
            "not: set collect.policy = 'random', or 'networks'",
            usage=True,
        )


def random_policy(config: EnvConfig, kind: str, *, hold: int, push: int, seed: int) -> Any:
    """That policy, a `reverie.policies.Policy`. UserError as `require_policy`."""
    require_policy(config, kind)
    return load(KNOWN[config.name].policies[kind])(hold, push, seed)
