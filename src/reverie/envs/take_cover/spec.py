"""What there is to know of Take Cover."""

from typing import Any

from reverie.actions import Sidestep
from reverie.envs.config import EnvConfig
from reverie.envs.picture import Picture
from reverie.envs.spec import EnvSpec, Mirror
from reverie.errors import UserError

PICTURE = Picture(shape=(240, 320, 3), key="screen", rows=200)
"""The paper keeps 400 of 480 rows; those below show bare floor."""
STAY, RIGHT, LEFT = range(3)
"""In the environment's terms."""
SKILL = 4
"""The environment's own, at which chance survives as long as the paper says; at 5 it survives a third of that."""
_KNOWN_ARGUMENTS = ("doom_skill",)


def spec(config: EnvConfig) -> EnvSpec:
    """The world, as `config` asks for it. Raises UserError for arguments of the environment that change what is seen or
    done."""
    skill(config)
    return EnvSpec(
        picture=PICTURE,
        actions=Sidestep(left=LEFT, stay=STAY, right=RIGHT),
        frames_per_second=35.0,
        progress="always" if config.progress == "auto" else config.progress,
        mirror=Mirror(order=(0,), signs=(-1,)),
        return_range=(0.0, 2100.0),
        solved=750.0,
        render_modes=("human", "rgb_array"),
    )


def skill(config: EnvConfig) -> int:
    """Doom's level of difficulty that is asked for. Raises UserError where there is none such, and for other
    arguments."""
    for key in config.kwargs:
        if key not in _KNOWN_ARGUMENTS:
            raise UserError(f"env.kwargs: {config.id} takes doom_skill here, not {key!r}: leave it out")
    asked: Any = config.kwargs.get("doom_skill", SKILL)
    if asked not in range(1, 6):
        raise UserError(f"env.kwargs: doom_skill of {config.id} is {asked!r}: give 1 to 5")
    return asked
