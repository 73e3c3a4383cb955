"""The score's digits, rasterised once with Gymnasium's font and averaged down to the 96x96 frame."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

CHARACTERS = "0123456789-"
ROWS = 12  # of the indicator panel
COLUMNS = 12  # the score lies within them
_PANEL_H, _PANEL_W = 100, 125  # window pixels of that corner
_CENTER = (60, 50)  # of the text, window pixels from the panel's top left corner


@cache
def score_glyphs() -> NDArray[np.float32]:
    """(2, 4, 11, 12, 12) brightness 0..1 of `CHARACTERS` in each of four places; [1] is the layout with a leading minus."""
    import pygame

    pygame.font.init()
    font = pygame.font.Font(pygame.font.get_default_font(), 42)
    out = np.zeros((2, 4, len(CHARACTERS), ROWS, COLUMNS), np.float32)
    for layout, text in enumerate(("0000", "-000")):
        rect = font.render(text, True, (255, 255, 255), (0, 0, 0)).get_rect()
        rect.center = _CENTER
        for place in range(4):
            left = rect.left + font.size(text[:place])[0]
            for k, character in enumerate(CHARACTERS):
                glyph = font.render(character, True, (255, 255, 255), (0, 0, 0))
                panel = pygame.Surface((_PANEL_W, _PANEL_H))
                panel.blit(glyph, (left, rect.top))
                pixels = pygame.surfarray.array3d(panel)[:, :, 0].T / 255.0
                out[layout, place, k] = _cells(_PANEL_H, ROWS) @ pixels @ _cells(_PANEL_W, COLUMNS).T
    return out


def _cells(size: int, cells: int) -> NDArray[np.float64]:
    """(cells, size) weights of an area average."""
    step = size / cells
    lo, hi = np.arange(cells)[:, None] * step, np.arange(1, cells + 1)[:, None] * step
    pixel = np.arange(size)[None]
    return np.clip(np.minimum(hi, pixel + 1) - np.maximum(lo, pixel), 0, None) / step
