"""Named generators: the same everywhere, apart from one another; and the split of tracks."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reverie.errors import UserError
from reverie.seeding import (
    TEST_TRACKS,
    TRAINING_TRACKS,
    VALIDATION_TRACKS,
    generator,
    sample_tracks,
    torch_generator,
)
from tests.processes import python

names = st.lists(st.text(max_size=5) | st.integers(), max_size=4)


def draw(seed, *of):
    return int(generator(seed, *of).integers(2**63))


def test_known_values():
    """Frozen: a change here makes every seeded result of the past unrepeatable."""
    assert draw(7, "frames", 3) == 881247213716180822
    assert torch_generator(7, "frames", 3).initial_seed() == 8850587262406883422


def test_another_process_draws_the_same():
    code = "from reverie.seeding import generator; print(generator(7, 'frames', 3).integers(2**63))"
    assert int(python("-c", code)) == draw(7, "frames", 3)


@given(st.integers(0, 2**63), names, names)
def test_different_names_give_different_streams(seed, first, second):
    assert (draw(seed, *first) == draw(seed, *second)) == (first == second)


def test_names_are_not_run_together():
    assert len({draw(0, "a", "b"), draw(0, "ab"), draw(0, "b", "a"), draw(0, "a"), draw(0), draw(1)}) == 6
    assert draw(0, 1) != draw(0, "1")
    assert draw(0, np.int64(1)) == draw(0, 1)


def test_torch_streams_follow_names():
    first, again, other = (torch.randn(4, generator=torch_generator(0, name)) for name in ("a", "a", "b"))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_negative_seed():
    with pytest.raises(UserError, match="-1 is negative"):
        generator(-1)


def test_tracks_are_apart():
    assert TEST_TRACKS.stop == VALIDATION_TRACKS.start
    assert VALIDATION_TRACKS.stop == TRAINING_TRACKS.start
    assert TRAINING_TRACKS.stop == 2**31 - 1


@given(st.integers(0, 50), st.sampled_from([TEST_TRACKS, VALIDATION_TRACKS, TRAINING_TRACKS, range(5, 105, 2)]))
def test_sampled_tracks_are_different_and_inside(num, tracks):
    sample = sample_tracks(generator(num), num, tracks)
    assert len(set(sample)) == len(sample) == num
    assert all(track in tracks and type(track) is int for track in sample)


def test_more_tracks_begin_with_the_same():
    assert sample_tracks(generator(0), 1000)[:300] == sample_tracks(generator(0), 300)


def test_sampling_reaches_the_whole_range():
    assert sorted(sample_tracks(generator(0), 10, range(10))) == list(range(10))
    with pytest.raises(UserError, match="holds 10"):
        sample_tracks(generator(0), 11, range(10))
