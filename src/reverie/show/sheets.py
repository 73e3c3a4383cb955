"""Pictures of what V sees and what M dreams, as grids of frames.

Shapes: n columns, 64 x 64 x 3 uint8 frames.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from reverie.show.canvas import ACCENT, INK, QUIET, Canvas
from reverie.types import Frames

SIZE = 64
SCALE = 2
GAP, MARGIN, TITLE = 6, 18, 64
CELL = SIZE * SCALE


def reconstructions(path: Path, frames: Frames, seen: Frames, *, error: float, columns: int = 8) -> None:
    """Frames (n, 64, 64, 3) above what V makes of them, `seen` (n, 64, 64, 3), in as many rows of pairs as it takes.

    `error` is the mean squared error of a pixel in [0, 1] on all held-out frames, for the title.
    """
    n = len(frames)
    assert frames.shape == seen.shape == (n, SIZE, SIZE, 3), f"{frames.shape} and {seen.shape} must be (n, 64, 64, 3)"
    rows = -(-n // columns)
    label_width, pair_height = 112, 2 * CELL + 3 * GAP
    width = 2 * MARGIN + label_width + columns * (CELL + GAP) - GAP
    canvas = Canvas(width, 2 * MARGIN + TITLE + rows * pair_height - 2 * GAP)
    canvas.text("What V sees", MARGIN, MARGIN, 22)
    canvas.text(
        f"held-out frames above, V's reconstruction below; mean squared error of a pixel in [0, 1]: {error:.5f}",
        *(MARGIN, MARGIN + 30),
        *(14, QUIET),
    )
    for row in range(rows):
        y = MARGIN + TITLE + row * pair_height
        canvas.text("frame", MARGIN, y + CELL / 2, 16, INK, "lm")
        canvas.text("reconstruction", MARGIN, y + CELL * 3 / 2, 16, INK, "lm")
        for column, i in enumerate(range(row * columns, min(n, (row + 1) * columns))):
            x = MARGIN + label_width + column * (CELL + GAP)
            canvas.frame(frames[i], x, y, SCALE)
            canvas.frame(seen[i], x, y + CELL + 1, SCALE)
    canvas.save(path)


def dream_filmstrip(
    path: Path, rows: Mapping[str, Frames], decisions: Sequence[int], *, begins: int, seconds_per_decision: float
) -> None:
    """The real road above dreams of it: each of `rows` (label -> (n, 64, 64, 3)) at the same n decisions.

    From decision `begins` on, M sees nothing: the columns to the right of the mark are dreamt.
    """
    n = len(decisions)
    for label, frames in rows.items():
        assert frames.shape == (n, SIZE, SIZE, 3), f"{label} must be ({n}, 64, 64, 3), not {frames.shape}"
    num_seen = int(np.sum(np.asarray(decisions) < begins))
    label_width, mark, header = 132, 26, 24
    width = 2 * MARGIN + label_width + n * (CELL + GAP) - GAP + mark
    height = 2 * MARGIN + TITLE + header + len(rows) * (CELL + GAP) - GAP

    def left(column: int) -> int:
        return MARGIN + label_width + column * (CELL + GAP) + (mark if column >= num_seen else 0)

    canvas = Canvas(width, height)
    canvas.text("What M dreams", MARGIN, MARGIN, 22)
    canvas.text(
        f"M watches a held-out episode for {begins} decisions; from the mark on it sees nothing, and is only told the "
        "actions that were really taken. V decodes.",
        *(MARGIN, MARGIN + 30),
        *(14, QUIET),
    )
    top = MARGIN + TITLE + header
    for column, decision in enumerate(decisions):
        label = f"decision {decision}"
        if decision >= begins:
            label = f"+{(decision - begins + 1) * seconds_per_decision:.1f} s  ({decision})"
        canvas.text(label, left(column) + CELL / 2, top - 8, 14, ACCENT if decision >= begins else QUIET, "ms")
    for row, (label, frames) in enumerate(rows.items()):
        y = top + row * (CELL + GAP)
        for i, line in enumerate(label.split("\n")):
            canvas.text(line, MARGIN, y + CELL / 2 - 10 + 20 * i, 16 if i == 0 else 14, INK if i == 0 else QUIET, "lm")
        for column in range(n):
            canvas.frame(frames[column], left(column), y, SCALE)
    if 0 < num_seen < n:
        x = left(num_seen) - (mark + GAP) / 2
        canvas.rectangle(x - 1, top - header, 3, height - MARGIN - top + header, ACCENT)
    canvas.save(path)
