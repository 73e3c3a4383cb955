"""Which worlds can be shown otherwise than an agent has learned them."""

from reverie.envs.config import EnvConfig
from reverie.envs.known import KNOWN, worlds_with
from reverie.errors import UserError


def has_challenges(config: EnvConfig) -> bool:
    """Whether the world can be shown otherwise than it is."""
    world = KNOWN.get(config.name)
    return world is not None and bool(world.challenged) and not config.kwargs.get("domain_randomize")


def require_challenge(config: EnvConfig, challenge: str) -> None:
    """Raises UserError where a world is shown in one way only, or in random colours already."""
    if has_challenges(config):
        return
    if not config.kwargs.get("domain_randomize"):
        known = worlds_with(lambda one: bool(one.challenged))
        raise UserError(
            f"there is a challenge {challenge!r} in {known} only, not in {config.id}: leave it out", usage=True
        )
    raise UserError(
        f"challenge {challenge!r} changes how {config.id} is shown, whose colours env.kwargs.domain_randomize draws "
        "anew: leave it out",
        usage=True,
    )
