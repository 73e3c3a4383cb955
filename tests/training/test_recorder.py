"""Which groups of episodes are still to be driven."""

import pytest

from reverie.training.recorder import groups_left


@pytest.mark.parametrize(
    ("num", "done", "expected"),
    [
        (20, 0, [(0, 0), (8, 0), (16, 0)]),
        (20, 8, [(8, 0), (16, 0)]),
        (20, 11, [(8, 3), (16, 0)]),
        (20, 19, [(16, 3)]),
        (20, 20, []),
        (20, 25, []),
        (0, 0, []),
    ],
)
def test_a_group_that_was_cut_short_is_driven_again_and_a_finished_one_is_not(
    num: int, done: int, expected: list[tuple[int, int]]
) -> None:
    assert groups_left(num, done) == expected
