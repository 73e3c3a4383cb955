"""What is asked of an environment."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Gt, Le


@dataclass(frozen=True, kw_only=True)
class EnvConfig:
    """The environment of a run and how it is stepped."""

    id: str = "CarRacing-v3"
    """Gymnasium id."""
    renderer: Literal["fast", "gymnasium"] = "fast"
    """Who draws: our rasteriser, or Gymnasium's own pygame."""
    action_repeat: Annotated[int, Gt(0), Le(1000)] = 4
    """Simulator frames per decision."""
    max_frames: Annotated[int, Gt(0), Le(100_000)] = 1000
    """Time limit in simulator frames."""
