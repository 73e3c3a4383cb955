"""The genetic algorithm: who is kept, and of whom children are made."""

import numpy as np
import pytest

from reverie.evolution.ga import Ga, GaConfig


def make(num_params: int = 50, **changes) -> Ga:
    config = GaConfig(**{"population": 20, "elite_ratio": 0.1, **changes})
    return Ga(config, num_params, np.random.default_rng(0))


def test_the_center_is_the_best_of_the_generation() -> None:
    strategy = make()
    candidates = strategy.ask()
    strategy.tell(candidates, -np.abs(np.arange(20.0) - 13))
    np.testing.assert_array_equal(strategy.center, candidates[13])


def test_the_champion_defends_its_place() -> None:
    """As it is, and on the same tracks as its children: what it once scored does not count."""
    strategy = make()
    candidates = strategy.ask()
    strategy.tell(candidates, 1000.0 * (np.arange(20) == 7))
    again = strategy.ask()
    np.testing.assert_array_equal(again[0], candidates[7])
    assert (again[1:] != candidates[7]).any(1).all()
    strategy.tell(again, 1.0 * (np.arange(20) == 0))
    np.testing.assert_array_equal(strategy.center, candidates[7])
    again = strategy.ask()
    strategy.tell(again, 1.0 * (np.arange(20) == 5))
    np.testing.assert_array_equal(strategy.center, again[5])


def test_what_is_remembered_must_be_beaten() -> None:
    strategy = make(remember=True)
    first = strategy.ask()
    np.testing.assert_array_equal(first[0], np.zeros(50))  # the start has no fitness yet
    strategy.tell(first, 100.0 * (np.arange(20) == 7))
    second = strategy.ask()
    assert (second != first[7]).any(1).all()  # no need to drive again
    strategy.tell(second, 99.0 * (np.arange(20) == 3))
    np.testing.assert_array_equal(strategy.center, first[7])
    third = strategy.ask()
    strategy.tell(third, 101.0 * (np.arange(20) == 3))
    np.testing.assert_array_equal(strategy.center, third[3])


def test_a_move_makes_one_parent_of_unknown_fitness() -> None:
    strategy = make(remember=True, sigma=1e-6)
    strategy.tell(strategy.ask(), np.arange(1000.0, 1020.0))
    there = np.full(50, 3.0)
    strategy.recenter(there)
    candidates = strategy.ask()
    np.testing.assert_array_equal(candidates[0], there)
    np.testing.assert_allclose(candidates, np.tile(there, (20, 1)), atol=1e-5)
    strategy.tell(candidates, np.arange(20.0))  # less than the forgotten ones had
    np.testing.assert_array_equal(strategy.center, candidates[19])


@pytest.mark.parametrize("crossover", [True, False])
def test_children_have_the_parameters_of_their_parents(crossover: bool) -> None:
    """Two parents, at about -1 and 1, and mutations that can hardly be seen."""
    strategy = make(sigma=2.0, sigma_decay=1e-9, sigma_floor=1e-6, crossover=crossover)
    candidates = strategy.ask()
    candidates[3], candidates[4] = -1, 1
    strategy.tell(candidates, np.isin(np.arange(20), [3, 4]).astype(np.float64))
    children = strategy.ask()[1:]
    np.testing.assert_allclose(np.abs(children), 1, atol=1e-4)
    from_the_second = (children > 0).mean(1)
    pure = (from_the_second == 0) | (from_the_second == 1)
    assert (~pure).any() == crossover
    assert 0.2 < from_the_second.mean() < 0.8


def test_only_the_elite_has_children() -> None:
    for elite_ratio, parents in ((0.01, 1), (0.1, 2), (0.5, 10)):
        strategy = make(num_params=1, sigma=1.0, sigma_decay=1e-9, sigma_floor=1e-9, elite_ratio=elite_ratio)
        fitness = np.arange(20, dtype=np.float64)
        strategy.tell(fitness[:, None], fitness)
        seen = {round(float(child)) for _ in range(20) for child in strategy.ask()[:, 0]}
        assert seen == set(range(20 - parents, 20))


def test_sigma_follows_its_schedule() -> None:
    strategy, spreads = make(sigma=0.1, sigma_decay=0.5, sigma_floor=0.04), []
    for _ in range(3):
        strategy.tell(strategy.ask(), np.zeros(20))
        spreads.append(strategy.spread)
    np.testing.assert_allclose(spreads, [0.05, 0.04, 0.04])
