"""pygame's own font, in which Gymnasium writes the score of CarRacing. Asked for by its name alone, pygame takes a file
of that name from the folder where a command is run, if there is one: other pictures, and with them another agent and
another score, without a word."""

from pathlib import Path


def own_font() -> str:
    """Where it is, which is also what pygame says from now on when it is asked for its name."""
    import pygame

    path = Path(pygame.__file__).with_name(Path(pygame.font.get_default_font()).name)
    if path.is_file():
        pygame.font.get_default_font = lambda: str(path)
    return pygame.font.get_default_font()
