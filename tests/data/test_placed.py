"""Frames come out the same wherever they lie."""

import numpy as np
import pytest
import torch

from reverie.data import placed
from reverie.data.placed import PlacedFrames

CPU = torch.device("cpu")
NUMBERS = np.array([0, 3, 4, 10])


@pytest.fixture
def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (11, 64, 64, 3), np.uint8)


def free(monkeypatch: pytest.MonkeyPatch, num: float) -> None:
    """So many bytes."""
    monkeypatch.setattr(placed, "free_bytes", lambda _: num)


def test_they_are_the_same_wherever_they_lie(frames: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    sent_each = PlacedFrames(frames, CPU)
    free(monkeypatch, 2 * frames.nbytes)
    monkeypatch.setattr(placed, "PIECE", 4)  # 11 are two pieces and a rest
    there = PlacedFrames(frames, CPU)
    assert (sent_each.are_there, there.are_there) == (False, True)
    for each in (sent_each, there):
        found = each.take(NUMBERS)
        assert found.dtype == torch.uint8
        np.testing.assert_array_equal(found.numpy(), frames[NUMBERS])
        found.zero_()  # a copy
        np.testing.assert_array_equal(each.take(NUMBERS).numpy(), frames[NUMBERS])


def test_they_stay_where_they_are_if_they_leave_too_little_room(
    frames: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, 2 * frames.nbytes - 1)
    assert not PlacedFrames(frames, CPU).are_there


def test_a_map_of_a_file_is_left_as_it_is(frames: np.ndarray, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "frames.npy", frames)
    mapped = np.load(tmp_path / "frames.npy", mmap_mode="r")
    for num in (0, 10**9):
        free(monkeypatch, num)
        PlacedFrames(mapped, CPU).take(NUMBERS).zero_()
        np.testing.assert_array_equal(mapped, frames)
