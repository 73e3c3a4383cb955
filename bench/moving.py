"""The moving picture of the README, a driver beside its dream: `python -m bench.moving PICTURE.gif [RUN]`."""

import sys
from pathlib import Path

from PIL import Image

import reverie
from reverie.show.canvas import Canvas
from reverie.show.dashboard import DARK, LIGHT
from reverie.show.dream_film import make_film
from reverie.training.controller.rollouts import agent_of

TRACK, DECISIONS, SEED = 3, 62, 1
SCALE, GAP, CAPTION = 4, 8, 26
SIZE = 64 * SCALE
COLOURS = 32
"""Of the GIF, for all of its pictures: few make a small file."""


def draw(path: Path, run: reverie.Run) -> None:
    """Five seconds in the time of the world, again and again."""
    agent, params = agent_of(run.folder)
    env = run.config.env
    film = make_film(agent, params, env, TRACK, DECISIONS, 1.0, SEED)
    pictures = list[Image.Image]()
    for real, own in zip(film.real, film.own, strict=True):
        canvas = Canvas(2 * SIZE + 3 * GAP, SIZE + CAPTION + GAP, DARK)
        for x, words, frame in ((GAP, "the road", real), (SIZE + 2 * GAP, "its dream, where it drives, too", own)):
            canvas.text(words, x, CAPTION - 8, 15, LIGHT, "ls")
            canvas.frame(frame, x, CAPTION, SCALE)
        pictures.append(canvas.image)
    palette = sheet_of(pictures[::5]).quantize(COLOURS)
    first, *others = (picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures)
    milliseconds = round(1000 * env.action_repeat / 50)
    first.save(path, save_all=True, append_images=others, duration=milliseconds, loop=0, optimize=True)


def sheet_of(pictures: list[Image.Image]) -> Image.Image:
    """Some of them one below the other, for a palette of all, with enough of the colours of kerbs and car."""
    sheet = Image.new("RGB", (pictures[0].width, sum(picture.height for picture in pictures) + SIZE), "white")
    for i, picture in enumerate(pictures):
        sheet.paste(picture, (0, i * picture.height))
    for i, red in enumerate((255, 204, 140)):
        sheet.paste((red, 0, 0), (0, sheet.height - SIZE + 64 * i, sheet.width, sheet.height - SIZE + 64 * i + 64))
    return sheet


if __name__ == "__main__":
    draw(Path(sys.argv[1]), reverie.load(sys.argv[2] if len(sys.argv) > 2 else "pretrained"))
