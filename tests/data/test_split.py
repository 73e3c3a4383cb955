"""What V and M are fitted on and what is held out, round by round."""

import numpy as np
import pytest

from reverie.data.split import split


@pytest.mark.parametrize(("num", "kept"), [(1, 1), (2, 1), (10, 9), (20, 19), (21, 19), (800, 760), (1000, 950)])
def test_the_last_twentieth_is_held_out(num: int, kept: int) -> None:
    found = split([num])
    assert found.train.tolist() == list(range(kept))
    assert found.held_out.tolist() == list(range(kept, num))


def test_each_round_holds_out_its_own() -> None:
    found = split([20, 40, 1])
    assert found.held_out.tolist() == [19, 58, 59]
    assert sorted(np.concatenate(found).tolist()) == list(range(61))


def test_an_older_round_is_split_as_it_was_when_it_was_the_newest() -> None:
    assert split([20, 40]).held_out.tolist() == split([20, 40, 30]).held_out.tolist()[:3]


def test_nothing_of_nothing() -> None:
    assert [part.tolist() for part in split([])] == [[], []]
