"""OpenAI's strategy: its pairs, its gradient, its schedule."""

import numpy as np
import pytest

from reverie.errors import UserError
from reverie.evolution.openes import OpenEs, OpenEsConfig


def make(num_params: int = 2, **changes) -> OpenEs:
    return OpenEs(OpenEsConfig(**{"population": 40, **changes}), num_params, np.random.default_rng(0))


def step(strategy: OpenEs, function) -> np.ndarray:
    candidates = strategy.ask()
    strategy.tell(candidates, function(candidates))
    return candidates


def test_candidates_come_in_pairs() -> None:
    strategy = make()
    strategy.recenter(np.array([1.0, 2.0]))
    candidates = strategy.ask()
    np.testing.assert_allclose((candidates[:20] + candidates[20:]) / 2, np.tile([1.0, 2.0], (20, 1)))
    single = make(antithetic=False).ask()
    assert (np.abs(single[:20] + single[20:]) > 1e-9).all()


def test_what_makes_no_pairs_is_refused() -> None:
    with pytest.raises(UserError, match=r"openes.population = 33 does not make pairs: .* antithetic = false"):
        OpenEsConfig(population=33)
    assert make(population=33, antithetic=False).ask().shape == (33, 2)


def test_the_gradient_is_that_of_a_slope() -> None:
    """Standardised fitness rises by 1 / (sigma |slope|) of the slope's own length for each unit; nothing is noise."""
    slope = np.array([3.0, -4.0])
    strategy = make(
        population=20000, sigma=0.2, ranks=False, optimizer="sgd", momentum=0.0, learning_rate=1.0, antithetic=False
    )
    step(strategy, lambda x: 7 + x @ slope)
    np.testing.assert_allclose(strategy.center, slope / 5 / 0.2, atol=0.15)


def test_the_first_step_of_adam_is_its_learning_rate() -> None:
    strategy = make(num_params=9, population=2, learning_rate=0.03)
    candidates = step(strategy, lambda x: x[:, 0])
    better = candidates[candidates[:, 0].argmax()]
    np.testing.assert_allclose(strategy.center, 0.03 * np.sign(better), rtol=1e-5)


@pytest.mark.parametrize("ranks", [True, False])
def test_ranks_hide_how_far_one_is_ahead(ranks: bool) -> None:
    def center(lead: float) -> np.ndarray:
        strategy = make(ranks=ranks)
        step(strategy, lambda x: x[:, 0] + lead * (x[:, 0] == x[:, 0].max()))
        return strategy.center

    assert np.array_equal(center(0.0), center(1000.0)) == ranks


def test_sigma_follows_its_schedule() -> None:
    strategy, spreads = make(sigma_decay=0.5, sigma_floor=0.04), []
    for _ in range(3):
        step(strategy, lambda x: x[:, 0])
        spreads.append(strategy.spread)
    np.testing.assert_allclose(spreads, [0.05, 0.04, 0.04])
    assert np.abs(strategy.ask() - strategy.center).max() < 5 * 0.04


def test_a_move_forgets_gradients() -> None:
    strategy = make(num_params=1)
    for _ in range(20):
        step(strategy, lambda x: x[:, 0])
    strategy.recenter(np.zeros(1))
    step(strategy, lambda x: -x[:, 0])
    assert strategy.center[0] < 0  # with its memory it would have gone on upwards
