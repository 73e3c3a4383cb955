"""Pictures from frames and words, with Pillow: sharp pixels, and nothing kept between two pictures.

Shapes: h w height and width in pixels; every picture is (h, w, 3) uint8.
"""

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from reverie.types import Frames
from reverie.writing import write_atomically

INK, QUIET, PAPER = (28, 32, 38), (110, 116, 126), (255, 255, 255)
ACCENT, GOOD, BAD = (214, 84, 32), (36, 140, 84), (196, 48, 56)


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that Pillow brings along, `size` pixels high."""
    return ImageFont.load_default(size)


class Canvas:
    """A picture (height, width) of one color to put things on; places are (x, y) from the top left."""

    def __init__(self, width: int, height: int, background: tuple[int, int, int] = PAPER) -> None:
        self.image = Image.new("RGB", (width, height), background)
        self.draw = ImageDraw.Draw(self.image)

    def copy(self) -> "Canvas":
        """The same picture again, to go on from."""
        other = Canvas.__new__(Canvas)
        other.image = self.image.copy()
        other.draw = ImageDraw.Draw(other.image)
        return other

    def frame(self, frame: Frames, x: int, y: int, scale: int = 1) -> None:
        """A frame (h, w, 3), each pixel a square of `scale` pixels."""
        assert frame.shape[2:] == (3,), f"a frame must be (h, w, 3), not {frame.shape}"
        assert frame.dtype == np.uint8, f"a frame must be uint8, not {frame.dtype}"
        size = (scale * frame.shape[1], scale * frame.shape[0])
        self.image.paste(Image.fromarray(frame).resize(size, Image.Resampling.NEAREST), (x, y))

    def text(
        self, text: str, x: float, y: float, size: int = 14, color: tuple[int, int, int] = INK, anchor: str = "la"
    ) -> None:
        """Words; `anchor` says what of them is at (x, y), as in Pillow: l m r left to right, a m s top to baseline."""
        self.draw.text((x, y), text, fill=color, font=font(size), anchor=anchor)

    def rectangle(self, x: float, y: float, width: float, height: float, color: tuple[int, int, int]) -> None:
        """A filled rectangle; nothing where it has no area."""
        if width >= 1 and height >= 1:
            self.draw.rectangle((round(x), round(y), round(x + width) - 1, round(y + height) - 1), fill=color)

    def array(self) -> Frames:
        """The picture, (height, width, 3) uint8."""
        return np.asarray(self.image)

    def save(self, path: Path) -> None:
        """Writes a PNG, atomically; the same picture gives the same bytes."""
        with write_atomically(path) as file:
            self.image.save(file, format="PNG")
