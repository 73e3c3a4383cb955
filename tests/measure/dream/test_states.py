"""Which states dreams are made of, in a toy world whose dreams are known."""

from typing import cast

import numpy as np
import pytest

from reverie.actions import BoxActions
from reverie.measure.dream.horizon import CONTEXT, RealEpisodes, join
from reverie.measure.dream.states import EVERY, NUM_DREAMS, StatesFound, measure_states, percentiles, tail_shares
from reverie.measure.truth.judges import Judges
from reverie.models.controller import Controller, ControllerConfig
from reverie.models.mdn_rnn import Memory
from reverie.models.vision import Vision
from tests.measure.dream.test_horizon import LENGTH, ColourProbe, SumOfActions, toy_episodes

MOMENTS = len(range(1, LENGTH - CONTEXT + 1, EVERY))


class Probe(ColourProbe):
    """A car is off the road where it is bright."""

    def attributes(self, frames: np.ndarray) -> np.ndarray:
        return (frames[:, 0, 0, :1] > 100).astype(np.float32).repeat(6, 1)


def measured(gain: float) -> StatesFound:
    """A C that always pushes by 1, in the dream of an M that foresees so much of that; on the road all of it counts."""
    drives = toy_episodes()
    rows = [1, 1, 2, 2]  # those that push by 1
    own = RealEpisodes(**{name: values[rows] for name, values in vars(drives).items()})
    controller = Controller(ControllerConfig(), 1, 1, BoxActions(low=(-1.0,), high=(1.0,)))
    world = SumOfActions(gain, 0.0)
    parts = cast(Vision, world), cast(Memory, world), cast(Judges, Probe())
    return measure_states(*parts, controller, np.array([0, 0, 20.0]), own, join([drives]), seed=0)


def test_a_true_dream_meets_what_the_road_has():
    found = measured(1.0)
    assert found.road["offset"].shape == found.truth["offset"].shape == (4, MOMENTS)
    assert found.dream["offset"].shape == (4 * NUM_DREAMS, MOMENTS)
    expected = 10 + CONTEXT + np.arange(1, LENGTH - CONTEXT + 1, EVERY)
    for states in (found.truth, found.road):
        np.testing.assert_allclose(states["offset"], np.tile(expected, (4, 1)))
        np.testing.assert_allclose(states["speed"], np.tile(expected, (4, 1)), rtol=0.01)
    np.testing.assert_array_equal(found.road["off"], np.tile(expected > 100, (4, 1)))
    # Each step adds chance of deviation 1: a walk of so many steps is that far off, over eight dreams.
    np.testing.assert_allclose(found.dream["offset"].mean(0), expected, atol=4 * np.sqrt(100 / 8))
    assert found.speed_r2 == pytest.approx(1, abs=0.001)


def test_speed_is_read_off_the_latents_of_the_dream_itself():
    found = measured(0.0)
    np.testing.assert_allclose(found.dream["speed"], found.dream["offset"], atol=4)  # on the road, about 50 more


def test_a_dream_that_stands_still_has_no_tail():
    found = measured(0.0)
    assert tail_shares(found.road)["no wheel on the road"][0] > 0.2
    assert tail_shares(found.dream)["no wheel on the road"] == (0, 0, 0, 0)


def test_shares_and_sizes_of_known_states():
    states = {
        "curvature": np.array([[-0.06, 0.0, 0.06], [0.0, 0.0, 0.06]]),
        "offset": np.array([[0.0, -7.0, 0.0], [0.0, 0.0, 0.0]]),
        "speed": np.array([[50.0, 4.0, 50.0], [50.0, 50.0, 50.0]]),
        "off": np.array([[0.0, 0.9, 0.2], [0.0, 0.0, 0.0]]),
    }
    assert tail_shares(states) == {
        "curvature above 0.05": (0.5, 0.5, 0.0, 1.0),
        "offset above 6.67": (pytest.approx(1 / 6), 0.0, 0.5, 0.0),
        "speed below 5": (pytest.approx(1 / 6), 0.0, 0.5, 0.0),
        "no wheel on the road": (pytest.approx(1 / 6), 0.0, 0.5, 0.0),
    }
    assert percentiles({"offset": -np.arange(101.0)[None]}, "offset") == (50, 95, 99)
