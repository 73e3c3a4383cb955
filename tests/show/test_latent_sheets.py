"""Sheets of frames: what stands where, and that nothing is cut off."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reverie.show import latent_sheets as pictures
from reverie.show.canvas import ACCENT, PAPER
from reverie.show.sheets import CELL, MARGIN
from reverie.types import Frames


def colored(*shape: int) -> Frames:
    """Frames (*shape, 64, 64, 3), each of one color that no other has."""
    num = int(np.prod(shape))
    colors = np.stack([np.full(num, 200), 3 + np.arange(num) // 250, np.arange(num) % 250], 1).astype(np.uint8)
    return np.broadcast_to(colors.reshape(*shape, 1, 1, 3), (*shape, 64, 64, 3)).copy()


def read(path: Path) -> np.ndarray:
    image = np.asarray(Image.open(path).convert("RGB"))
    for margin in (image[: MARGIN // 2], image[-MARGIN // 2 :], image[:, : MARGIN // 2], image[:, -MARGIN // 2 :]):
        assert (margin == PAPER).all(), "something reaches into the margin"
    return image


def place(image: np.ndarray, frame: Frames) -> tuple[int, int]:
    """Top left corner (row, column) of the only place where `frame` stands whole."""
    rows, columns = np.nonzero((image == frame[0, 0]).all(2))
    top, left = rows.min(), columns.min()
    assert len(rows) == CELL * CELL, f"{len(rows)} pixels"
    assert (rows.max() - top, columns.max() - left) == (CELL - 1, CELL - 1)
    return int(top), int(left)


def test_comparison_has_the_same_frame_below_itself(tmp_path: Path):
    frames = colored(3, 7)
    rows = {"frame": frames[0], "VAE": frames[1], "a model with a name\nof two lines": frames[2]}
    pictures.comparison(tmp_path / "a.png", rows, columns=4)
    image = read(tmp_path / "a.png")
    places = np.array([[place(image, frames[r, i]) for i in range(7)] for r in range(3)])
    assert (places[:, :, 1] == places[0, :, 1]).all()
    assert (np.diff(places[:, :, 0], axis=0) >= CELL).all()
    assert (places[:, 4:, 1] == places[:, :3, 1]).all(), "the second block begins at the left"
    assert (places[:, 4:, 0].min() - places[:, :4, 0].max()) > CELL


def test_comparison_wants_the_same_number_of_frames(tmp_path: Path):
    with pytest.raises(AssertionError, match="VAE must be"):
        pictures.comparison(tmp_path / "a.png", {"frame": colored(3), "VAE": colored(2)})


def test_grid_goes_down_with_the_first_dimension_and_across_with_the_second(tmp_path: Path):
    frames = colored(26)
    cells = frames[1:].reshape(5, 5, 64, 64, 3)
    pictures.latent_grid(tmp_path / "a.png", frames[0], cells, (3, 17), (-2, -1, 0, 1, 2))
    image = read(tmp_path / "a.png")
    places = np.array([[place(image, cells[i, j]) for j in range(5)] for i in range(5)])
    assert (np.diff(places[:, :, 0], axis=0) > 0).all()
    assert (np.diff(places[:, :, 1], axis=1) > 0).all()
    row, column = place(image, frames[0])
    assert row == places[2, 0, 0]
    assert column < places[2, 0, 1]


def test_traversal_has_a_row_for_each_dimension(tmp_path: Path):
    frames = colored(2, 7)
    rows = {"z3\n1.2 nats\nbeside the centre 20%": frames[0], "z0\n0.1 nats": frames[1]}
    pictures.traversal(tmp_path / "a.png", np.zeros((64, 64, 3), np.uint8), rows, (-3, -2, -1, 0, 1, 2, 3))
    image = read(tmp_path / "a.png")
    places = np.array([[place(image, frames[i, j]) for j in range(7)] for i in range(2)])
    assert (np.diff(places[:, :, 1]) > 0).all()
    assert (np.diff(places[:, :, 0], axis=0) > 0).all()


def test_interpolation_stands_between_its_ends(tmp_path: Path):
    frames = colored(2, 2 + 2 * 4)
    ends, between, faded = frames[:, :2], frames[:, 2:6], frames[:, 6:]
    pictures.interpolation(tmp_path / "a.png", ends, between, faded)
    image = read(tmp_path / "a.png")
    for pair in range(2):
        first, last = place(image, ends[pair, 0]), place(image, ends[pair, 1])
        way = [place(image, frame) for frame in between[pair]]
        assert [first[1], *(x for _, x in way), last[1]] == sorted([first[1], *(x for _, x in way), last[1]])
        assert {first[0], last[0], *(y for y, _ in way)} == {first[0]}
        assert [x for _, x in (place(image, frame) for frame in faded[pair])] == [x for _, x in way]


def test_edits_leave_room_where_an_attribute_has_fewer_frames(tmp_path: Path):
    frames = colored(3, 5)
    rows = {
        "left curve\nflipped 96%, kept 84%\ns = 2, 20 neighbours": frames[:2],
        "on grass\nnone": frames[2:],
        "nothing": frames[:0],
    }
    pictures.edits(tmp_path / "a.png", rows)
    image = read(tmp_path / "a.png")
    places = np.array([[place(image, frames[i, j]) for j in range(5)] for i in range(3)])
    assert (places[2, :, 1] == places[0, :, 1]).all()
    assert places[1, 0, 1] > places[0, 4, 1]
    assert places[2, 0, 0] > places[0, 0, 0]


def test_samples(tmp_path: Path):
    frames = colored(7)
    pictures.samples(tmp_path / "a.png", frames, columns=3)
    image = read(tmp_path / "a.png")
    assert len({place(image, frame) for frame in frames}) == 7


def test_informative_sorts_by_kl_and_marks_what_is_told(tmp_path: Path):
    kl = np.array([0.5, 4.0, 1.0])
    tells = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    pictures.informative(tmp_path / "a.png", kl, tells, ("offset", "kerb in view"))
    image = read(tmp_path / "a.png")
    bars = (image == ACCENT).all(2)
    heights = bars.sum(0)
    heights = heights[heights > 0]
    assert list(heights) == sorted(heights, reverse=True)
    assert heights[-1] / heights[0] == pytest.approx(0.5 / 4, abs=0.02)
    rows, columns = np.nonzero((image == (20, 72, 140)).all(2))
    left = columns < columns.mean()
    assert rows[left].max() < rows[~left].min(), "dimension 1 stands first and tells the first, dimension 2 the second"


def test_the_same_picture_gives_the_same_bytes(tmp_path: Path):
    for name in ("a.png", "b.png"):
        pictures.samples(tmp_path / name, colored(4))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_long_words_are_wrapped_not_cut():
    text = "what is said of a picture " * 8
    lines = pictures._wrapped(text, 300)
    assert " ".join(lines) == text.strip()
    assert max(pictures.font(14).getlength(line) for line in lines) <= 300
