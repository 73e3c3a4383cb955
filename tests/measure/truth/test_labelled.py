"""Labelled frames: the truth about a frame is what the frame shows."""

from dataclasses import fields

import numpy as np
import pytest

from reverie.envs.car_racing.labels import Labels
from reverie.measure.truth.labelled import (
    ATTRIBUTES,
    MAX_HEADING,
    MAX_OFFSET,
    LabelledFrames,
    attributes,
    labelled_frames,
)
from reverie.measure.vision.masks import road_mask
from reverie.seeding import VALIDATION_TRACKS

TRACKS = [*VALIDATION_TRACKS[:40]]


@pytest.fixture(scope="module")
def labelled() -> LabelledFrames:
    return labelled_frames(TRACKS, 3)


def test_shapes_types_and_limits(labelled: LabelledFrames) -> None:
    n = len(labelled)
    assert n > 2 * len(TRACKS)
    assert labelled.frames.shape == (n, 64, 64, 3)
    assert labelled.frames.dtype == np.uint8
    assert labelled.state.shape == (n, 3)
    assert labelled.attributes.shape == (n, len(ATTRIBUTES))
    assert (np.abs(labelled.state[:, 0]) <= MAX_OFFSET).all()
    assert (np.abs(labelled.state[:, 1]) <= MAX_HEADING).all()
    assert (np.diff(labelled.track) >= 0).all()
    assert set(labelled.track) <= set(TRACKS)


def test_same_seed_same_frames_and_another_seed_others(labelled: LabelledFrames) -> None:
    again, other = labelled_frames(TRACKS[:32], 3), labelled_frames(TRACKS[:32], 4)
    some = labelled.select(np.isin(labelled.track, TRACKS[:32]))
    for field in fields(LabelledFrames):
        np.testing.assert_array_equal(getattr(some, field.name), getattr(again, field.name))
    assert len(other) != len(again) or (other.frames != again.frames).any()


def test_who_is_right_of_the_road_sees_it_to_the_left(labelled: LabelledFrames) -> None:
    """At the car's height (row 54 of 64) where it heads along the road."""
    along = np.abs(labelled.state[:, 1]) < 0.3
    for far, sign in ((labelled.state[:, 0] > 4, -1), (labelled.state[:, 0] < -4, 1)):
        road = road_mask(labelled.frames[along & far])[:, 52:56]
        column = (road * np.arange(64)).sum((1, 2)) / np.maximum(road.sum((1, 2)), 1)
        assert len(road) > 5
        assert (np.sign(column - 31.5) == sign)[road.any((1, 2))].all()


def test_curves_lead_to_their_side(labelled: LabelledFrames) -> None:
    """From 6 to 24 rows ahead of the car, when the car's own heading is taken off."""
    lean = {}
    for attribute in ("left curve", "right curve", "straight"):
        some = (labelled.attributes[:, ATTRIBUTES.index(attribute)] == 1) & (np.abs(labelled.state[:, 1]) < 0.4)
        road, heading = road_mask(labelled.frames[some]), labelled.state[some, 1]
        near, ahead = road[:, 46:50], road[:, 28:32]
        seen = near.any((1, 2)) & ahead.any((1, 2))
        assert seen.sum() > 5
        columns = [(rows * np.arange(64)).sum((1, 2))[seen] / rows.sum((1, 2))[seen] for rows in (near, ahead)]
        lean[attribute] = np.median(columns[1] - columns[0] - 18 * np.tan(heading[seen]))
    assert lean["left curve"] < -3
    assert lean["right curve"] > 3
    assert abs(lean["straight"]) < 2


def test_thresholds_leave_what_is_neither_out() -> None:
    labels = Labels(
        offset=np.array([0.0, 3.0, -4.0]),
        heading=np.zeros(3),
        curvature=np.array([0.03, 0.01, -0.02]),
        grass=np.array([0, 2, 4]),
        speed=np.zeros(3),
        kerb=np.array([True, False, False]),
    )
    assert attributes(labels).tolist() == [
        [1, 0, 0, 0, 1, 0],
        [-1, 0, -1, -1, 0, -1],
        [0, 1, 0, 1, 0, 1],
    ]


def test_select_keeps_rows_together(labelled: LabelledFrames) -> None:
    some = labelled.select(np.array([4, 1]))
    assert len(some) == 2
    np.testing.assert_array_equal(some.state[1], labelled.state[1])
    np.testing.assert_array_equal(some.frames[0], labelled.frames[4])
