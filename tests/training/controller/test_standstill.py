"""Who stood still, and who came on, began well, or was hardly tried."""

import numpy as np
import pytest

from reverie.training.controller.standstill import ENOUGH, standstill

NOISE = np.random.default_rng(0).normal(0, 10, 30)


@pytest.mark.parametrize(
    ("returns", "stood_still"),
    [
        (NOISE, True),
        (NOISE - 5 * np.arange(30), True),
        (NOISE + 5 * np.arange(30), False),
        (np.full(30, -20.0), True),
        (np.r_[-20.0, np.full(29, 850.0)] + NOISE, False),  # a leap at once
        (np.interp(np.arange(30), [0, 9, 18, 29], [-20, 800, 700, -20]), False),  # up, and down again
        (np.r_[0.0, 3 * NOISE[1:]], True),
        (NOISE[: ENOUGH - 1], False),
    ],
)
def test_who_began_at_zero_must_come_on(returns: np.ndarray, stood_still: bool) -> None:
    assert bool(standstill(returns.tolist(), is_alike=False, began_at_zero=True)) is stood_still


@pytest.mark.parametrize("is_alike", [False, True])
def test_who_began_at_a_driver_need_not(is_alike: bool) -> None:
    """It may be the best one: where an episode can bring 500 at most, all candidates about it may have those."""
    assert standstill([500.0] * 30, is_alike=is_alike, began_at_zero=False) == ""


def test_where_all_are_alike_nothing_can_be_learned() -> None:
    assert "had the same return, 30 times over" in standstill([3.0] * 30, is_alike=True, began_at_zero=True)
    assert standstill([3.0] * (ENOUGH - 1), is_alike=True, began_at_zero=True) == ""
