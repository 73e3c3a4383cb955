"""CMA-ES: what its author's package makes of it."""

import json

import numpy as np
import pytest

from reverie.evolution.cma import CmaConfig
from reverie.evolution.recorded import Recorded
from reverie.evolution.strategies import StrategyConfig, make_strategy


def make(num_params: int = 6, population: int = 12, diagonal: bool = False, seed: int = 4) -> Recorded:
    config = StrategyConfig(cma=CmaConfig(population=population, sigma=0.5, diagonal=diagonal))
    return make_strategy(config, num_params, np.random.default_rng(seed))


def ellipsoid(x: np.ndarray) -> np.ndarray:
    """Best at (1, ..., 1), with axes of very different length."""
    return -1.0 * (10.0 ** np.arange(6) * (x - 1) ** 2).sum(-1)


def run(strategy: Recorded, generations: int, function=ellipsoid) -> None:
    for _ in range(generations):
        candidates = strategy.ask()
        strategy.tell(candidates, function(candidates))


@pytest.mark.parametrize("diagonal", [False, True])
def test_finds_the_maximum_of_an_ellipsoid(diagonal: bool) -> None:
    strategy = make(diagonal=diagonal)
    run(strategy, 250)
    np.testing.assert_allclose(strategy.center, np.ones(6), atol=1e-4)
    assert strategy.spread < 1e-3


@pytest.mark.parametrize("diagonal", [False, True])
def test_correlations_are_learnt_unless_told_not_to(diagonal: bool) -> None:
    """In a valley along the diagonal of a plane."""
    strategy = make(num_params=2, diagonal=diagonal)
    run(strategy, 30, lambda x: -1000 * np.square(x[:, 0] - x[:, 1]) - np.square(x.sum(1) - 20))
    steps = np.concatenate([strategy.ask() - strategy.center for _ in range(50)])
    correlation = (steps[:, 0] * steps[:, 1]).mean() / steps.std(0).prod()
    assert correlation < 0.2 if diagonal else correlation > 0.9


@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize(("num_params", "population"), [(6, 12), (10, 4), (50, 4), (120, 8), (300, 32)])
@pytest.mark.parametrize("generations", [0, 1, 2, 9])
@pytest.mark.parametrize("moved", [False, True])
def test_continues_bit_for_bit(moved: bool, generations: int, num_params: int, population: int, diagonal: bool) -> None:
    """At sizes for which the package chooses different ways to adapt the step size."""

    def begun() -> Recorded:
        strategy = make(num_params, population, diagonal)
        run(strategy, generations, bowl)
        if moved:
            strategy.recenter(np.full(num_params, 0.5))
            run(strategy, 1, bowl)
            strategy.recenter(np.full(num_params, 2.0))
        return strategy

    def bowl(x: np.ndarray) -> np.ndarray:
        return -np.square(x - 1).sum(1) - 0.1 * np.abs(x[:, 0])

    whole, second = begun(), make(num_params, population, diagonal, seed=99)
    arrays, values = begun().state()
    second.load_state(arrays, json.loads(json.dumps(values)))
    run(whole, 5, bowl)
    run(second, 5, bowl)
    np.testing.assert_array_equal(second.center, whole.center)
    assert second.spread == whole.spread
    np.testing.assert_array_equal(second.ask(), whole.ask())


def test_what_was_learnt_of_the_axes_outlives_a_move() -> None:
    """After it, a search that knows the ellipsoid needs fewer generations than one that begins there."""
    learnt, new = make(), make()
    run(learnt, 150)
    spread = learnt.spread
    for strategy in (learnt, new):
        strategy.recenter(np.full(6, 1 + 10 * spread))
    ratio = np.std(learnt.ask() - learnt.center, 0)
    assert ratio[0] > 30 * ratio[5]  # the lengths of the axes differ by 10 ** 2.5
    assert np.ptp(np.log(np.std(new.ask() - new.center, 0))) < 1.5


def test_a_search_that_stays_is_kept_as_ever() -> None:
    """Runs on disk have these arrays, and no spread."""
    strategy, other = make(), make(seed=99)
    run(strategy, 3)
    arrays, values = strategy.state()
    assert {key: array.shape for key, array in arrays.items()} == {"fitness": (3, 12), "center": (6,)}
    other.load_state(arrays, {"first_rng": values["first_rng"]})
    np.testing.assert_array_equal(other.ask(), strategy.ask())
