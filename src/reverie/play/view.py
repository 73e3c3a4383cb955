"""What `reverie play` shows: the picture of a session, large, beside what there is to know about it.

Shapes: h w height and width of the window in pixels.
"""

from reverie.play.session import Session, keys_of
from reverie.show.canvas import ACCENT, GOOD, Canvas
from reverie.show.dashboard import DARK, DIM, LIGHT, draw_action
from reverie.types import Frames

SCALE, TILE, GAP, LINE = 10, 2, 12, 21
"""Pixels of the window for each of the large picture and of the small ones; between things; a line of text."""
KEYS = (
    ("M or TAB", "real / dream"),
    ("C", "autopilot on / off"),
    ("+ and -", "temperature of the dream"),
    ("R", "next track / another dream"),
    ("SPACE", "pause"),
    ("ESC", "end"),
)
WIDTH = 64 * (SCALE + 2 * TILE) + 4 * GAP
HEIGHT = 64 * SCALE + 2 * GAP


def draw(session: Session, rate: float) -> Frames:
    """The window (HEIGHT, WIDTH, 3) uint8; `rate` is the decisions per second that are reached."""
    canvas, real, score = Canvas(WIDTH, HEIGHT, DARK), session.mode == "real", session.score
    picture, tiles = session.pictures()
    canvas.frame(picture, GAP, GAP, SCALE)
    left, y = 64 * SCALE + 2 * GAP, GAP
    canvas.text("real" if real else "dream", left, y, 26, GOOD if real else ACCENT)
    lines = (
        f"track {session.track}" if real else f"dream {session.num_dreams}",
        f"{'return' if real else 'expected return'} {score.ret:.1f}",
        f"decision {score.decisions}",
        f"temperature {session.temperature:g}",
        f"{rate:.1f} decisions/s, time x {rate * session.seconds:.2f}",
        "the autopilot drives" if session.autopilot else "you drive",
    )
    y += 40
    for i, line in enumerate(lines):
        canvas.text(line, left, y + i * LINE, 16, LIGHT)
    y += len(lines) * LINE
    canvas.text(_state(session), left, y, 16, ACCENT)
    y += LINE + 4
    draw_action(canvas, left, y, 2 * 64 * TILE + GAP, session.act, session.spec.actions.bars, step=30)
    y += 3 * 30 + 20
    for i, (caption, tile) in enumerate(tiles):
        x = left + i * (64 * TILE + GAP)
        canvas.text(caption, x, y, 14, DIM)
        canvas.frame(tile, x, y + LINE, TILE)
    keys = (keys_of(session.spec.actions), *KEYS)
    y = HEIGHT - GAP - len(keys) * LINE
    for i, (key, meaning) in enumerate(keys):
        canvas.text(key, left, y + i * LINE, 14, LIGHT)
        canvas.text(meaning, left + 100, y + i * LINE, 14, DIM)
    return canvas.array()


def _state(session: Session) -> str:
    """The most pressing thing to say, if any."""
    if session.message:
        return session.message
    if session.score.is_over:
        return "this drive is over: R begins anew"
    return "paused" if session.paused else ""
