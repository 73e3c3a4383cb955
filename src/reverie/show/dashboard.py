"""One picture of a video: the simulator's, beside what V sees and what M expects, above score and pedals.

Shapes: h w height and width of the simulator's picture in pixels; frames are (64, 64, 3) uint8.
"""

from typing import NamedTuple

import numpy as np

from reverie.show.canvas import ACCENT, BAD, GOOD, Canvas
from reverie.types import Frames

LOW, HIGH, SOLVED = -100, 1000, 900
"""Range of the score curve, and the return from which Gymnasium calls CarRacing solved."""
TILE, CAPTION, GAP = 192, 24, 10
DARK, PANEL, LIGHT, DIM = (18, 20, 24), (32, 36, 43), (238, 240, 243), (150, 157, 168)
_TILES = ("what V sees", "what V keeps of it", "what M expects next")
_PEDALS = (("steer", ACCENT), ("gas", GOOD), ("brake", BAD))


class Minds(NamedTuple):
    """The agent's side of a decision, each frame (64, 64, 3) uint8."""

    frame: Frames
    """What V is given."""
    seen: Frames
    """V's reconstruction of it."""
    foreseen: Frames
    """The mean of M's expectation of the frame at the next decision, decoded by V."""


class Dashboard:
    """Draws the pictures of one drive in order; the score curve grows with them."""

    def __init__(self, title: str, max_frames: int) -> None:
        self.title = title
        self.max_frames = max_frames
        self._curve: list[tuple[float, float]] = []
        self._base: Canvas | None = None

    def draw(self, picture: Frames, minds: Minds, act: np.ndarray, ret: float, frame: int) -> Frames:
        """The whole picture (even height, even width, 3) uint8, for simulator frame `frame` and the return so far."""
        h, w, _ = picture.shape
        column, bottom = w + 2 * GAP, h + GAP
        width, height = column + TILE + GAP, 3 * (TILE + CAPTION) + 2 * GAP
        height = max(height, bottom + 150)
        self._base = self._base or self._background(width + width % 2, height + height % 2, column)
        canvas = self._base.copy()
        canvas.frame(picture, GAP, GAP)
        for i, tile in enumerate(minds):
            canvas.frame(tile, column, GAP + i * (TILE + CAPTION) + CAPTION, TILE // tile.shape[0])
        self._score(canvas, GAP, bottom + GAP, 0.5 * w, canvas.image.height - bottom - 2 * GAP, ret, frame)
        left, top = GAP + 0.5 * w + GAP, bottom + GAP
        draw_pedals(canvas, left, top + 10, 0.5 * w - GAP, act)
        canvas.text(self.title, left, top + 10 + 40 * 3 + 8, 15, DIM)
        return canvas.array()

    def _background(self, width: int, height: int, column: int) -> Canvas:
        canvas = Canvas(width, height, DARK)
        for i, caption in enumerate(_TILES):
            canvas.text(caption, column, GAP + i * (TILE + CAPTION) + CAPTION - 7, 15, LIGHT, "ls")
        return canvas

    def _score(self, canvas: Canvas, x: float, y: float, width: float, height: float, ret: float, frame: int) -> None:
        """The return so far, as a number and as a curve over the whole time limit."""
        canvas.rectangle(x, y, width, height, PANEL)
        canvas.text("return", x + 12, y + 10, 15, DIM)
        canvas.text(f"{ret:.0f}", x + 12, y + 28, 42, LIGHT)
        canvas.text(f"frame {frame} of {self.max_frames}", x + width - 12, y + 10, 15, DIM, "ra")
        left, right, bottom, top = x + 12, x + width - 12, y + height - 12, y + 84

        def level(value: float) -> float:
            return bottom - (np.clip(value, LOW, HIGH) - LOW) / (HIGH - LOW) * (bottom - top)

        for value, label in ((0, "0"), (SOLVED, f"{SOLVED}: solved")):
            canvas.rectangle(left, level(value), right - left, 1, DIM)
            canvas.text(label, right, level(value) - 3, 12, DIM, "rs")
        self._curve.append((left + min(1.0, frame / self.max_frames) * (right - left), level(ret)))
        if len(self._curve) > 1:
            canvas.draw.line(self._curve, fill=ACCENT, width=3, joint="curve")


def draw_pedals(canvas: Canvas, x: float, y: float, width: float, act: np.ndarray, step: int = 40) -> None:
    """Bars of an action (3,), one every `step` pixels: steering from the middle, gas and brake from the left."""
    start, length, height = x + 58, width - 58, step - 16
    for i, ((name, color), value) in enumerate(zip(_PEDALS, act.tolist(), strict=True)):
        top = y + step * i
        canvas.text(name, x, top + height / 2, 16, LIGHT, "lm")
        canvas.rectangle(start, top, length, height, PANEL)
        if name == "steer":
            reach = value * length / 2
            canvas.rectangle(start + length / 2 + min(0.0, reach), top, abs(reach), height, color)
            canvas.rectangle(start + length / 2 - 1, top, 2, height, DIM)
        else:
            canvas.rectangle(start, top, value * length, height, color)
