"""Where a driver failed, in episodes of which it is known."""

import numpy as np
import pytest

from reverie.data.failures import STUCK, failures, lost

ON, LULL = [True] * 5, [False] * STUCK


@pytest.mark.parametrize(
    ("got_on", "failed"),
    [
        ([True] * 30, []),
        (ON + LULL[1:], []),
        (ON + LULL, [4]),
        ([*ON, *LULL, *LULL[:9]], [4]),
        (ON + LULL[1:] + ON, []),
        (ON + LULL + ON, [4]),
        (ON + LULL + ON + LULL[1:] + ON + LULL, [4, 4 + STUCK + 5 + STUCK - 1 + 5]),
        (LULL + ON, []),
        (LULL, []),
        ([], []),
    ],
)
def test_a_failure_is_a_dozen_decisions_without_progress_after_one_with(got_on: list[bool], failed: list[int]) -> None:
    assert STUCK == 12
    assert failures(np.array(got_on, bool)).tolist() == failed


@pytest.mark.parametrize(
    ("got_on", "failed"), [([*ON, False], [4]), (ON, []), (ON + LULL + ON, [4]), ([False] * 3, []), ([], [])]
)
def test_who_is_put_out_of_the_world_has_failed_sooner(got_on: list[bool], failed: list[int]) -> None:
    assert failures(np.array(got_on, bool), put_out=True).tolist() == failed


def test_who_has_failed_is_lost_until_the_next_progress() -> None:
    got_on = np.array([*LULL, *ON, *LULL, False, *ON, *LULL[1:]], bool)
    first = STUCK + len(ON)
    assert np.flatnonzero(lost(got_on)).tolist() == list(range(first, first + STUCK + 1))
    last = list(range(len(got_on) - STUCK + 1, len(got_on)))
    assert np.flatnonzero(lost(got_on, put_out=True)).tolist() == [*range(first, first + STUCK + 1), *last]
    assert not lost(np.array(ON + LULL[1:] + ON, bool)).any()
    assert lost(np.array([], bool)).shape == (0,)
