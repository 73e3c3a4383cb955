"""V of the round before: whether it sees the frames of a new round as well as those that it was fitted for."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from reverie.data.split import split
from reverie.data.store import EpisodeStore
from reverie.measure.health import health
from reverie.models.files import load_vision
from reverie.models.vision import Vision
from reverie.run.folder import RunFolder, round_before
from reverie.run.rounds import RoundsConfig
from reverie.types import Frames

HELD_OUT_FRAMES = 2000
"""Held-out frames that an error is measured on, spread evenly."""


@dataclass(frozen=True, kw_only=True)
class LastVision:
    """The V that a round begins with."""

    vision: Vision
    error_on_new: float
    """Of a pixel in [0, 1], squared, on held-out frames of the new round alone."""
    fitted_error: float
    """The same when it was last fitted, on held-out frames of all rounds until then."""

    def is_good_enough(self, config: RoundsConfig) -> bool:
        """Whether it is to stay as it is."""
        return not config.vision_epochs or self.error_on_new <= (1 + config.vision_tolerance) * self.fitted_error

    def facts(self, store: EpisodeStore) -> dict[str, Any]:
        """What the manifest says where it stays."""
        found = health(self.vision, _frames(store, split(store.rounds).held_out))
        return {
            "kept": True,
            "last_error_on_new": self.error_on_new,
            "fitted_error": self.fitted_error,
            **{f"held_out_{key}": value for key, value in asdict(found).items()},
        }


def last_vision(run: RunFolder) -> LastVision | None:
    """V of the round before `run`, measured on the newest episodes of its store; None in a first round."""
    if not (before := round_before(run)):
        return None
    store, vision, facts = (
        EpisodeStore(run.rollouts),
        load_vision(before.vision, run.device).eval(),
        before.stage("vision"),
    )
    held_out = split(store.rounds).held_out
    newest = held_out[held_out >= sum(store.rounds[:-1])]
    return LastVision(
        vision=vision,
        error_on_new=health(vision, _frames(store, newest)).mean_squared_error,
        fitted_error=facts.get("fitted_error", facts["held_out_mean_squared_error"]),
    )


def _frames(store: EpisodeStore, episodes: Iterable[int]) -> Frames:
    """Some of all frames of `episodes`, spread evenly."""
    frames = np.concatenate([store[i].obs for i in episodes])
    return frames[:: max(1, len(frames) // HELD_OUT_FRAMES)]
