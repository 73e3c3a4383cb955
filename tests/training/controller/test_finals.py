"""Who drives in the finals."""

import numpy as np
import pytest

from reverie.run.search import FinalsConfig
from reverie.training.controller.finals import finalists, num_finalists

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
