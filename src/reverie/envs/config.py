"""What is asked of an environment."""

import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Gt, Le

FAST_ID = "reverie/CarRacing-v3"
"""CarRacing with our rasteriser, as Gymnasium knows it; in a configuration who draws is a setting of its own."""
RENDERED = "render()"
"""As `EnvConfig.picture`."""
_OTHER_NAMES = {FAST_ID: "CarRacing-v3"}

Progress = Literal["positive_reward", "best_return", "always"]
"""What of an episode counts as getting on, for `stall_decisions`: a decision with a reward above zero; one after which
the return is higher than ever before in the episode; or every one, so that `stall_decisions` ends nothing."""


@dataclass(frozen=True, kw_only=True)
class EnvConfig:
    """The environment of a run and how it is stepped."""

    id: str = "CarRacing-v3"
    """Gymnasium id; or `module:id`, where the module registers it: it is imported in every process that makes the
    environment, if it was named by `--set`, `--trust` or REVERIE_TRUST."""
    kwargs: dict[str, Any] = field(default_factory=dict)
    """Arguments of the environment itself, which `gymnasium.make` passes on: a table."""
    picture: str = ""
    """Key of the picture where an observation is a Dict; empty where there is only one picture in it. `render()` for
    what the environment draws for people instead of its observation."""
    progress: Literal["auto"] | Progress = "auto"
    """What counts as getting on, for `stall_decisions`: `positive_reward`, `best_return` or `always`; `auto` for what
    is known of the world, which is `positive_reward` in CarRacing and `always` elsewhere."""
    renderer: Literal["fast", "gymnasium"] = "fast"
    """Who draws: our rasteriser, where there is one, or the environment itself."""
    action_repeat: Annotated[int, Gt(0), Le(1000)] = 4
    """Simulator frames per decision."""
    max_frames: Annotated[int, Gt(0), Le(100_000)] = 1000
    """Time limit in simulator frames."""

    def __post_init__(self) -> None:
        # One name for one world, whatever it is called: nobody else has to ask.
        name = _OTHER_NAMES.get(self.name, self.name)
        if name in _OTHER_NAMES.values():
            object.__setattr__(self, "id", name)

    def __hash__(self) -> int:
        return hash((self.id, json.dumps(self.kwargs, sort_keys=True, default=str), self.picture, self.max_frames))

    @property
    def name(self) -> str:
        """The id as Gymnasium's registry has it, without the module that registers it."""
        return self.id.rpartition(":")[2]

    @property
    def is_rendered(self) -> bool:
        """Whether what is seen is drawn for people, and no observation."""
        return self.picture == RENDERED

    @property
    def module(self) -> str:
        """What must be imported before, or nothing."""
        return self.id.rpartition(":")[0]

    def is_same_world(self, other: "EnvConfig") -> bool:
        """Whether who knows one knows the other: what can be seen and done there, and how often."""
        return all(getattr(self, key) == getattr(other, key) for key in ("name", "kwargs", "picture", "action_repeat"))
