"""Worlds of which more is known than their spaces say, and where the parts of each are, loaded only when used."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reverie.envs.config import FAST_ID, EnvConfig


@dataclass(frozen=True, kw_only=True)
class World:
    """Where the parts of a world are that we know more of than its spaces: `module:name` each."""

    module: str = "gymnasium"
    """What registers it."""
    packages: tuple[str, ...]
    """What it is made of, beside Gymnasium: other versions are other worlds, strictly speaking."""
    extra: str | None = None
    """Of this package, with which that is installed."""
    programs: tuple[str, ...] = ()
    """Arguments that name files which tell a program what to do: no recipe may say them."""
    fast_id: str | None = None
    """With a rasteriser of our own, as Gymnasium knows it; None where there is none."""
    batch: str
    """The same as a vector environment."""
    wrapper: str
    """Around it where Gymnasium draws it."""
    spec: str
    has_truth: bool = False
    """Whether `batch` says what is true of its scenes."""
    policies: Mapping[str, str] = field(default_factory=dict)
    """Random policies that know what its actions mean."""
    start: str = ""
    """Where an episode begins elsewhere than it usually does."""
    starts: tuple[str, ...] = ()
    """Ways to choose such places."""
    challenged: str = ""
    """Around `batch` or Gymnasium's own, what shows them as a challenge wants it."""
    on_demand: str | None = None
    """What spares Gymnasium's own the pictures that nobody sees."""


_CAR_RACING = "reverie.envs.car_racing"
_TAKE_COVER = "reverie.envs.take_cover"
KNOWN = {
    "CarRacing-v3": World(
        packages=("box2d",),
        fast_id=FAST_ID,
        batch=f"{_CAR_RACING}.batch:CarRacingBatch",
        wrapper=f"{_CAR_RACING}.shapes:FreedShapes",
        spec=f"{_CAR_RACING}.spec:spec",
        has_truth=True,
        policies={
            "menu": f"{_CAR_RACING}.random_policies:MenuPolicy",
            "walk": f"{_CAR_RACING}.random_policies:WalkPolicy",
        },
        start=f"{_CAR_RACING}.starts:start",
        starts=("structured", "random", "beside", "before"),
        challenged=f"{_CAR_RACING}.challenges:ChallengedCars",
        on_demand=f"{_CAR_RACING}.on_demand:draw_on_demand",
    ),
    "VizdoomTakeCover-v1": World(
        module="vizdoom.gymnasium_wrapper",
        packages=("vizdoom",),
        programs=("scenario_config_file",),
        extra="doom",
        batch=f"{_TAKE_COVER}.batch:TakeCoverBatch",
        wrapper=f"{_TAKE_COVER}.watched:Watched",
        spec=f"{_TAKE_COVER}.spec:spec",
        policies={"menu": f"{_TAKE_COVER}.random_policies:HeldPolicy"},
    ),
}
GYMNASIUM_BATCH = "reverie.envs.pixels:GymnasiumBatch"
"""Of any world, as Gymnasium draws it."""


def is_fast(config: EnvConfig) -> bool:
    """Whether frames come from a rasteriser, or a batch, of our own."""
    return config.renderer == "fast" and config.name in KNOWN


def worlds_with(having: Callable[[World], bool]) -> str:
    """Their names, for a sentence: "this or that"."""
    return " or ".join(name for name, world in KNOWN.items() if having(world))


def load(target: str) -> Any:
    """What a `module:name` names, imported now."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
