"""One picture of a video: the simulator's, beside what V sees and what M expects, above score and action.

Shapes: h w height and width of the simulator's picture in pixels; frames are (64, 64, 3) uint8.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from reverie.envs.spec import EnvSpec
from reverie.show.canvas import ACCENT, BAD, GOOD, Canvas
from reverie.types import Frames

LARGE = 600
"""Pixels, about as many as CarRacing's pictures have, to which those of small worlds are enlarged: words have to fit
below them."""
MAX_BARS = 12
"""Numbers of an action that there is room for."""
TILE, CAPTION, GAP = 192, 24, 10
DARK, PANEL, LIGHT, DIM = (18, 20, 24), (32, 36, 43), (238, 240, 243), (150, 157, 168)
_TILES = ("what V sees", "what V keeps of it", "what M expects next")
_COLORS = (ACCENT, GOOD, BAD)


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

    def __init__(self, title: str, max_frames: int, spec: EnvSpec) -> None:
        self.title, self.max_frames, self.spec = title, max_frames, spec
        self._curve: list[tuple[float, float]] = []
        self._base: Canvas | None = None

    def draw(self, picture: Frames, minds: Minds, act: np.ndarray, ret: float, frame: int) -> Frames:
        """The whole picture (even height, even width, 3) uint8, for simulator frame `frame` and the return so far."""
        times = max(1, round(LARGE / max(picture.shape[:2])))
        h, w = times * picture.shape[0], times * picture.shape[1]
        column, bottom = w + 2 * GAP, h + GAP
        width, height = column + TILE + GAP, 3 * (TILE + CAPTION) + 2 * GAP
        height = max(height, bottom + 150)
        self._base = self._base or self._background(width + width % 2, height + height % 2, column)
        canvas = self._base.copy()
        canvas.frame(picture, GAP, GAP, times)
        for i, tile in enumerate(minds):
            canvas.frame(tile, column, GAP + i * (TILE + CAPTION) + CAPTION, TILE // tile.shape[0])
        self._score(canvas, GAP, bottom + GAP, 0.5 * w, canvas.image.height - bottom - 2 * GAP, ret, frame)
        left, top = GAP + 0.5 * w + GAP, bottom + GAP
        draw_action(canvas, left, top + 10, 0.5 * w - GAP, act, self.spec.actions.bars)
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

        self._curve.append((left + min(1.0, frame / self.max_frames) * (right - left), ret))
        returns = [0.0, *(ret for _, ret in self._curve)]
        low, high = self.spec.return_range or (min(returns), max(*returns, min(returns) + 1e-3))

        def level(value: float) -> float:
            return bottom - (min(max(value, low), high) - low) / (high - low) * (bottom - top)

        solved = self.spec.solved
        marks = [(0.0, "0")] + ([(solved, f"{solved:.0f}: solved")] if solved is not None and solved <= high else [])
        for value, label in marks:
            canvas.rectangle(left, level(value), right - left, 1, DIM)
            canvas.text(label, right, level(value) - 3, 12, DIM, "rs")
        if len(self._curve) > 1:
            canvas.draw.line([(x, level(ret)) for x, ret in self._curve], fill=ACCENT, width=3, joint="curve")


def draw_action(
    canvas: Canvas,
    x: float,
    y: float,
    width: float,
    act: np.ndarray,
    bars: Sequence[tuple[str, bool]],
    step: int = 40,
) -> None:
    """Bars of an action (a,) as `ActionSpec.bars` has them, in the room of three that are `step` pixels apart: from the
    middle those that go from -1 to 1, from the left the others."""
    shown = min(len(bars), MAX_BARS)
    room = min(step, 3 * step / shown)
    start, length, height = x + 58, width - 58, room - 16 if room >= 30 else 0.6 * room
    for i, ((name, is_signed), value) in enumerate(zip(bars[:shown], act[:shown].tolist(), strict=True)):
        top, color = y + room * i, _COLORS[i % len(_COLORS)]
        canvas.text(name, x, top + height / 2, 16 if room >= 20 else 10, LIGHT, "lm")
        canvas.rectangle(start, top, length, height, PANEL)
        if is_signed:
            reach = float(np.clip(value, -1, 1)) * length / 2
            canvas.rectangle(start + length / 2 + min(0.0, reach), top, abs(reach), height, color)
            canvas.rectangle(start + length / 2 - 1, top, 2, height, DIM)
        else:
            canvas.rectangle(start, top, value * length, height, color)
