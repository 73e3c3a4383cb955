"""What V keeps of Take Cover's fireballs: `python -m bench.fireballs RUN [PICTURE]`.

A share of a fireball is what its reconstruction has of it where it is: the picture less its surroundings, projected on
the same of the real frame. One survives whose share is above a half. As a control, the same of the reconstruction of
another frame.
"""

import sys
from itertools import count, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from bench.cover import FIREBALL, telling_game

from reverie.envs.picture import SIZE
from reverie.envs.take_cover.spec import PICTURE
from reverie.models.coding import reconstruct
from reverie.models.files import VISION, load_vision
from reverie.show.sheets import reconstructions

GAMES, REPEAT, HOLD = 20, 4, 4
SIZES = (0, 3, 12, 60, 4096)
"""Borders between sizes, in pixels of the 64 x 64 that there are."""
COLUMNS = 16
ROUND = 2
"""Pixels around a fireball that are its surroundings."""


class Seen(NamedTuple):
    """Frames (n, 64, 64, 3), and of each fireball its frame and box: left, top, right, bottom in its pixels."""

    frames: np.ndarray
    of: np.ndarray
    boxes: np.ndarray


def play(num: int) -> Seen:
    """Games at random, in which the simulator says where fireballs are seen."""
    game, rng, act = telling_game(), np.random.default_rng(0), 0
    frames, of, boxes = list[np.ndarray](), list[int](), list[tuple[float, ...]]()
    for seed in range(num):
        game.set_seed(seed)
        game.new_episode()
        for step in count():
            if step % HOLD == 0:
                act = int(rng.integers(3))
            game.make_action([int(act == 0), int(act == 1)], REPEAT)
            if game.is_episode_finished():
                break
            state = game.get_state()
            found = [_box(label) for label in state.labels if label.object_name == FIREBALL]
            boxes, of = boxes + found, of + [len(frames)] * len(found)
            frames.append(PICTURE.to_64({PICTURE.key: state.screen_buffer}))
    game.close()
    return Seen(np.stack(frames), np.array(of), np.array(boxes))


def _box(label: Any) -> tuple[float, ...]:
    """Left, top, right and bottom of what the simulator labels, in pixels of the frame."""
    across, down = PICTURE.shape[1] / SIZE, (PICTURE.rows or PICTURE.shape[0]) / SIZE
    return label.x / across, label.y / down, (label.x + label.width) / across, (label.y + label.height) / down


def share(frame: np.ndarray, seen: np.ndarray, box: np.ndarray) -> float:
    """What `seen` has of the fireball in `frame`, both (64, 64, 3): 1 for all of it, 0 for nothing."""
    left, top = np.maximum(box[:2].astype(int), 0)
    right, bottom = np.minimum(np.ceil(box[2:]).astype(int), SIZE)
    inner = slice(top, bottom), slice(left, right)
    outer = slice(max(0, top - ROUND), bottom + ROUND), slice(max(0, left - ROUND), right + ROUND)

    def apart(picture: np.ndarray) -> np.ndarray:
        """The fireball's place (h, w, 3), less the mean of what is around it."""
        whole, place = picture[outer].astype(float), picture[inner].astype(float)
        around = (whole.sum((0, 1)) - place.sum((0, 1))) / max(1, whole[..., 0].size - place[..., 0].size)
        return place - around

    true = apart(frame)
    return float((true * apart(seen)).sum() / max((true * true).sum(), 1e-6))


def main(folder: Path, picture: Path | None) -> None:
    """Prints a line for each size."""
    found = play(GAMES)
    seen = reconstruct(load_vision(folder / VISION).eval(), found.frames)
    width, height = (found.boxes[:, 2:] - found.boxes[:, :2]).T
    visible = (width > 0) & (found.boxes[:, 1] < SIZE - 1)
    other = np.random.default_rng(1).permutation(len(found.frames))
    own, control = (
        np.array([share(found.frames[i], seen[j[i]], box) for i, box in zip(found.of, found.boxes, strict=True)])
        for j in (np.arange(len(seen)), other)
    )
    for low, high in (*pairwise(SIZES), (SIZES[0], SIZES[-1])):
        rows = visible & (width * height >= low) & (width * height < high)
        print(
            f"{low:4} to {high:4} pixels: {rows.sum():5} fireballs, of which {np.mean(own[rows] > 0.5):4.0%} survive "
            f"(in another frame's picture {np.mean(control[rows] > 0.5):4.0%}), median share {np.median(own[rows]):.2f}"
        )
    if picture:
        rows = np.unique(found.of)[:: len(np.unique(found.of)) // COLUMNS][:COLUMNS]
        error = float(np.mean(np.square((seen / 255.0) - (found.frames / 255.0))))
        reconstructions(picture, found.frames[rows], seen[rows], error=error)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
