"""Grids of frames: every frame at its place, pixel for pixel."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reverie.show.canvas import ACCENT
from reverie.show.sheets import dream_filmstrip, reconstructions


def noise(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 64, 64, 3), dtype=np.uint8)


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def place(picture: np.ndarray, frame: np.ndarray) -> tuple[int, int]:
    """(x, y) of the only place where `frame`, twice as large, is in `picture`."""
    big = frame.repeat(2, 0).repeat(2, 1)
    starts = np.argwhere((picture[:-127, :-127] == big[0, 0]).all(-1) & (picture[127:, 127:] == big[-1, -1]).all(-1))
    found = [(int(x), int(y)) for y, x in starts if np.array_equal(picture[y : y + 128, x : x + 128], big)]
    assert len(found) == 1, found
    return found[0]


def test_reconstructions_stand_below_their_frames(tmp_path: Path):
    frames, seen = noise(5, 0), noise(5, 1)
    reconstructions(tmp_path / "r.png", frames, seen, error=0.01, columns=3)
    picture = read(tmp_path / "r.png")
    above, below = [place(picture, frame) for frame in frames], [place(picture, frame) for frame in seen]
    assert [x for x, _ in above] == [x for x, _ in below]
    assert all(129 <= low - high <= 132 for (_, high), (_, low) in zip(above, below, strict=True))
    assert above[0][1] == above[2][1] < above[3][1]
    assert above[3][0] == above[0][0] < above[1][0]


def test_filmstrip_marks_where_the_dream_begins(tmp_path: Path):
    real, dream = noise(4, 0), noise(4, 1)
    dream_filmstrip(
        tmp_path / "d.png", {"real": real, "dream": dream}, [1, 3, 5, 7], begins=4, seconds_per_decision=0.08
    )
    picture = read(tmp_path / "d.png")
    above, below = [place(picture, frame)[0] for frame in real], [place(picture, frame)[0] for frame in dream]
    assert above == below
    marks = np.flatnonzero((picture == ACCENT).all(-1).sum(0) > 2 * 128)
    assert above[1] + 128 <= marks.min() <= marks.max() < above[2]


def test_filmstrip_that_is_all_dream_has_no_mark(tmp_path: Path):
    dream_filmstrip(tmp_path / "d.png", {"real": noise(2, 0)}, [5, 6], begins=5, seconds_per_decision=0.08)
    picture = read(tmp_path / "d.png")
    assert (picture == ACCENT).all(-1).sum(0).max() < 64


def test_same_in_same_bytes_other_in_other_bytes(tmp_path: Path):
    def drawn(seed: int, error: float = 0.01) -> bytes:
        reconstructions(tmp_path / "r.png", noise(3, seed), noise(3, seed), error=error)
        return (tmp_path / "r.png").read_bytes()

    assert drawn(0) == drawn(0)
    assert drawn(0) != drawn(1)
    assert drawn(0) != drawn(0, error=0.02)
    assert [path.name for path in tmp_path.iterdir()] == ["r.png"]


def test_refuses_frames_that_do_not_match(tmp_path: Path):
    with pytest.raises(AssertionError, match="must be"):
        reconstructions(tmp_path / "r.png", noise(3, 0), noise(2, 0), error=0)
    with pytest.raises(AssertionError, match="dream must be"):
        dream_filmstrip(tmp_path / "d.png", {"dream": noise(3, 0)}, [1, 2], begins=1, seconds_per_decision=1)
    assert not list(tmp_path.iterdir())
