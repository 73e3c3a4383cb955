"""PEPG: its pairs, its baselines, its standard deviations, and estool's `ses`."""

import numpy as np
import pytest

from reverie.errors import UserError
from reverie.evolution.pepg import Pepg, PepgConfig


def make(num_params: int = 2, **changes) -> Pepg:
    return Pepg(PepgConfig(**{"population": 40, "sigma_decay": 1.0, **changes}), num_params, np.random.default_rng(0))


def step(strategy: Pepg, function) -> np.ndarray:
    candidates = strategy.ask()
    strategy.tell(candidates, function(candidates))
    return candidates


def deviations(strategy: Pepg) -> np.ndarray:
    """Of candidates around the center, (p,)."""
    return np.concatenate([strategy.ask() - strategy.center for _ in range(100)]).std(0)


def test_candidates_come_in_pairs() -> None:
    strategy = make(3)
    strategy.recenter(np.array([1.0, 2.0, 3.0]))
    candidates = strategy.ask()
    np.testing.assert_allclose((candidates[:20] + candidates[20:]) / 2, np.tile([1.0, 2.0, 3.0], (20, 1)))
    single = make(symmetric=False).ask()
    assert (np.abs(single[:20] + single[20:]) > 1e-9).all()


def test_the_center_can_be_driven_as_the_baseline() -> None:
    for symmetric in (True, False):
        strategy = make(population=41, baseline="center", symmetric=symmetric)
        strategy.recenter(np.array([1.0, 2.0]))
        candidates = strategy.ask()
        assert candidates.shape == (41, 2)
        np.testing.assert_array_equal(candidates[-1], [1, 2])
        assert (candidates[:-1] != [1, 2]).all()


@pytest.mark.parametrize(("population", "baseline"), [(33, "mean"), (32, "center")])
def test_what_makes_no_pairs_is_refused(population: int, baseline) -> None:
    with pytest.raises(UserError, match=f"pepg.population = {population} does not make pairs"):
        PepgConfig(population=population, baseline=baseline)
    PepgConfig(population=population, baseline=baseline, symmetric=False)


def test_a_step_by_hand() -> None:
    """Of a pair, whose fitness is 1 and -1 when standardised, the mean goes `learning_rate` times to the better."""
    strategy = make(population=2, optimizer="sgd", momentum=0.0, learning_rate=0.5, ranks=False)
    candidates = step(strategy, lambda x: x[:, 0])
    np.testing.assert_allclose(strategy.center, 0.5 * candidates[candidates[:, 0].argmax()], rtol=1e-12)


@pytest.mark.parametrize("baseline", ["mean", "center"])
def test_what_a_baseline_is_by_hand(baseline) -> None:
    """Fitness 4, 4, 5 is -0.5, -0.5, 1 times root 2 when standardised; the deviation learns from that, each candidate
    by how far it is out, or, of the pair around a center that is better than it by 1.5, from -1.5."""
    strategy = make(1, population=3, baseline=baseline, symmetric=baseline == "center", ranks=False, sigma_rate=0.01)
    candidates = strategy.ask()
    strategy.tell(candidates, np.array([4.0, 4.0, 5.0]))
    out = (np.square(candidates[:, 0]) - 0.01) / 0.1
    learnt = -1.5 * out[0] if baseline == "center" else (out * [-0.5, -0.5, 1]).mean()
    assert strategy.spread == pytest.approx(0.1 + 0.01 * np.sqrt(2) * learnt, rel=1e-12)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("baseline", ["mean", "center"])
@pytest.mark.parametrize("ranks", [True, False])
def test_deviations_grow_where_far_is_better_and_shrink_where_it_is_worse(symmetric, baseline, ranks) -> None:
    population = 41 if baseline == "center" else 40
    strategy = make(population=population, symmetric=symmetric, baseline=baseline, ranks=ranks, learning_rate=1e-9)
    for _ in range(30):
        step(strategy, lambda x: np.square(x[:, 0]) - np.square(x[:, 1]))
    wide, narrow = deviations(strategy)
    assert wide > 0.11
    assert narrow < 0.09


def test_deviations_change_by_so_much_at_most() -> None:
    """The step would be far larger than its limit."""
    strategy = make(num_params=1, sigma_rate=1e6, sigma_change=0.1)
    step(strategy, lambda x: -np.square(x[:, 0]))
    assert strategy.spread == pytest.approx(0.09)
    step(strategy, lambda x: np.square(x[:, 0]))
    assert strategy.spread == pytest.approx(0.099)


def test_deviations_follow_their_schedule() -> None:
    strategy, spreads = make(sigma_rate=0.0, sigma_decay=0.5, sigma_floor=0.04), []
    for _ in range(3):
        step(strategy, lambda x: x[:, 0])
        spreads.append(strategy.spread)
    np.testing.assert_allclose(spreads, [0.05, 0.04, 0.04])


@pytest.mark.parametrize("baseline", ["mean", "center"])
def test_ses_goes_to_the_mean_of_the_best(baseline) -> None:
    strategy = make(population=41 if baseline == "center" else 40, baseline=baseline, elite_ratio=0.1)
    strategy.recenter(np.array([1.0, 2.0]))
    candidates = step(strategy, lambda x: -x[:, 1])
    best = candidates[candidates[:, 1].argsort()[:4]]
    np.testing.assert_allclose(strategy.center, best.mean(0), rtol=1e-12)


def test_a_move_forgets_gradients_and_keeps_deviations() -> None:
    strategy = make(num_params=1, sigma_decay=0.9)
    for _ in range(20):
        step(strategy, lambda x: x[:, 0])
    spread = strategy.spread
    strategy.recenter(np.zeros(1))
    assert strategy.spread == spread < 0.05
    step(strategy, lambda x: -x[:, 0])
    assert strategy.center[0] < 0  # with its memory it would have gone on upwards
