"""Who drives in the finals."""

import numpy as np
import pytest

from reverie.errors import UserError
from reverie.run.search import FinalsConfig
from reverie.training.controller.finals import finalists, heats, num_episodes, num_finalists

CENTERS = np.array([[0.0], [10.0], [20.0], [30.0], [40.0]])


def test_the_best_and_the_means_in_a_row_with_the_best_scores() -> None:
    scores = np.array([1.0, 9.0, 3.0, 8.0, 2.0])  # rows of two: 5, 6, 5.5, 5
    found = finalists(CENTERS, scores, FinalsConfig(finalists=2, average=2))
    assert found[:, 0].tolist() == [10.0, 30.0, 15.0, 25.0]


def test_fewer_than_are_averaged_have_one_mean_of_all() -> None:
    found = finalists(CENTERS[:3], np.array([1.0, 2.0, 3.0]), FinalsConfig(finalists=1, average=9))
    assert found[:, 0].tolist() == [20.0, 10.0]
    one = finalists(CENTERS[:1], np.ones(1), FinalsConfig(finalists=3, average=2))
    assert one[:, 0].tolist() == [0.0]


@pytest.mark.parametrize(
    ("evaluated", "num", "average", "expected"),
    [(1, 4, 4, 1), (2, 4, 4, 3), (4, 4, 4, 5), (5, 4, 4, 6), (20, 4, 4, 8), (20, 6, 8, 12), (3, 9, 2, 5)],
)
def test_how_many_they_are(evaluated: int, num: int, average: int, expected: int) -> None:
    assert num_finalists(evaluated, FinalsConfig(finalists=num, average=average)) == expected


def test_some_of_the_way_drive_whatever_they_scored() -> None:
    scores = np.array([1.0, 9.0, 3.0, 8.0, 2.0])
    found = finalists(CENTERS, scores, FinalsConfig(finalists=0, spread=3))
    assert found[:, 0].tolist() == [0.0, 10.0, 40.0], "it began at zero, where the first center is, too"
    everybody = finalists(CENTERS[1:], scores[1:], FinalsConfig(finalists=0, spread=9))
    assert everybody[:, 0].tolist() == [0.0, 10.0, 20.0, 30.0, 40.0]


@pytest.mark.parametrize(
    ("tracks", "halving", "expected"),
    [(12, 0, [12]), (12, 3, [3, 3, 6]), (8, 3, [3, 3, 2]), (3, 3, [3]), (4, 1, [1, 1, 2])],
)
def test_the_worse_half_drops_out_whenever_they_have_driven_twice_as_many(
    tracks: int, halving: int, expected: list[int]
) -> None:
    config = FinalsConfig(tracks=tracks, halving=halving)
    found = heats(config)
    assert [len(heat) for heat in found] == expected
    assert [number for heat in found for number in heat] == list(range(tracks))
    left = [9, 5, 3][: len(expected)]
    assert num_episodes(9, config) == sum(num * heat for num, heat in zip(left, expected, strict=True))


def test_finals_need_somebody_and_a_road_to_record() -> None:
    with pytest.raises(UserError, match="nobody drives in them"):
        FinalsConfig(finalists=0)
    with pytest.raises(UserError, match=r"record keeps drives on the road: set .*world = road"):
        FinalsConfig(record=True)
