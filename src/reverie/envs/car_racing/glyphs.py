"""The score in the indicator panel, in the font and by the shrinking that Gymnasium uses."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from reverie.envs.own_font import own_font

SIZE = 12  # cells: the score lies in the panel's left corner
_WINDOW = (125, 100)  # the same corner in window pixels
_CENTER = (60, 50)  # of the text, window pixels from the corner


@lru_cache(maxsize=4096)
def score_picture(text: str) -> NDArray[np.uint8]:
    """(12, 12) brightness of `text` in the panel's left corner. Drawn once for each text: a score has few values."""
    import pygame

    pygame.font.init()
    font = pygame.font.Font(own_font(), 42)
    picture = font.render(text, True, (255, 255, 255), (0, 0, 0))
    rect = picture.get_rect()
    rect.center = _CENTER
    corner = pygame.Surface(_WINDOW, 0, 32)
    corner.blit(picture, rect)
    small = pygame.transform.smoothscale(corner, (SIZE, SIZE))
    return np.ascontiguousarray(pygame.surfarray.array3d(small)[:, :, 0].T)
