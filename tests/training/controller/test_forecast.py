"""How long a search will go on."""

from dataclasses import replace

import pytest

from reverie.evolution.cma import CmaConfig
from reverie.evolution.strategies import StrategyConfig
from reverie.run.search import FinalsConfig, SearchConfig, TracksConfig
from reverie.training.controller.forecast import final_episodes, num_evaluations, seconds_left

SEARCH = SearchConfig(
    generations=6,
    tracks=TracksConfig(num=1, double_every=2, max=4),
    finals=FinalsConfig(eval_every=2, eval_tracks=5, finalists=1, average=2, tracks=10),
    strategy=StrategyConfig(cma=CmaConfig(population=10)),
)
EPISODES = [10, 15, 20, 25, 40, 45]
"""Of each generation, with the evaluation after every second one."""


def rows(seconds: list[float]) -> list[dict]:
    return [{"generation": i + 1, "tracks": [1, 1, 2, 2, 4, 4][i], "seconds": s} for i, s in enumerate(seconds)]


def test_later_generations_take_as_much_longer_as_they_drive_more() -> None:
    assert final_episodes(SEARCH) == 20
    for done in range(1, 7):
        left = seconds_left(SEARCH, rows([0.5 * episodes for episodes in EPISODES[:done]]), 0)
        assert left == pytest.approx(0.5 * (sum(EPISODES[done:]) + 20))


def test_it_goes_by_this_sitting_alone() -> None:
    history = rows([1000.0, 1000.0, 1000.0, 0.1 * EPISODES[3]])
    assert seconds_left(SEARCH, history, 3) == pytest.approx(0.1 * (40 + 45 + 20))
    assert seconds_left(SEARCH, history, 4) is None


def test_tracks_by_signal_and_noise_are_taken_to_stay() -> None:
    search = replace(SEARCH, tracks=TracksConfig(num=2, signal_to_noise=1.0, max=8))
    history = [row | {"tracks": 2, "signal": 1.0, "noise": 3.0} for row in rows([20.0])]
    assert seconds_left(search, history, 0) == pytest.approx(5 * 30 + 3 * 5 + 20)


@pytest.mark.parametrize(("generations", "expected"), [(1, 1), (4, 2), (5, 3), (6, 3)])
def test_the_last_center_is_evaluated_too(generations: int, expected: int) -> None:
    assert num_evaluations(replace(SEARCH, generations=generations)) == expected
