"""Pictures of what V's latent space holds, as sheets of frames.

Shapes: m frames, z latent, 64 x 64 x 3 uint8 frames.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from reverie.show.canvas import ACCENT, INK, PAPER, QUIET, Canvas, font
from reverie.show.sheets import CELL, GAP, MARGIN, SCALE, SIZE
from reverie.types import Frames

Row = tuple[str, Sequence[Frames | None]]
"""A label, of which the first line is set off, and frames or gaps."""

_LABEL_SIZE, _NOTE_SIZE, _TITLE_SIZE = 16, 14, 22
_LINE = 20
_LEAST_WIDTH = 760


def comparison(path: Path, rows: Mapping[str, Frames], *, columns: int = 10) -> None:
    """The same m frames as several see them: `rows` has frames (m, 64, 64, 3) by label, the input first."""
    num = len(next(iter(rows.values())))
    for label, frames in rows.items():
        assert frames.shape == (num, SIZE, SIZE, 3), f"{label} must be ({num}, 64, 64, 3), not {frames.shape}"
    blocks = range(0, num, columns)
    sheet = [(label, list(frames[i : i + columns])) for i in blocks for label, frames in rows.items()]
    _sheet(
        path,
        "What V sees",
        "frames of tracks that it was not fitted on, and what it makes of them from the mean of its latents",
        sheet,
        block=len(rows),
    )


def shown_otherwise(path: Path, frames: Mapping[str, Frames], seen: Frames) -> None:
    """A moment in every way in which it is shown, label -> (64, 64, 3), above what V makes of it (m, 64, 64, 3)."""
    assert seen.shape == (len(frames), SIZE, SIZE, 3), f"{seen.shape} must be ({len(frames)}, 64, 64, 3)"
    _sheet(
        path,
        "One moment of the road, shown otherwise",
        "above, what the agent is shown; below, what V makes of it",
        [("shown", list(frames.values())), ("V", list(seen))],
        headers=list(frames),
        apart={0},
    )


def latent_grid(path: Path, frame: Frames, cells: Frames, dims: tuple[int, int], sigmas: Sequence[float]) -> None:
    """`frame` with the first of `dims` set to each of `sigmas` downwards, the second across: (v, v, 64, 64, 3)."""
    v = len(sigmas)
    assert cells.shape == (v, v, SIZE, SIZE, 3), f"cells must be ({v}, {v}, 64, 64, 3), not {cells.shape}"
    rows = [
        (f"z{dims[0]}\n{_signed(s)} sigma", [frame if i == v // 2 else None, *cells[i]]) for i, s in enumerate(sigmas)
    ]
    _sheet(
        path,
        f"Two dimensions of the latent: z{dims[0]} down, z{dims[1]} across",
        "all others stay as the frame has them; sigma is the spread of a dimension over all frames, 0 its mean",
        rows,
        headers=["frame", *(f"z{dims[1]}  {_signed(s)} sigma" for s in sigmas)],
        apart={0},
    )


def traversal(path: Path, frame: Frames, rows: Mapping[str, Frames], sigmas: Sequence[float]) -> None:
    """`frame` with one dimension (a row, by label) set to each of `sigmas`: frames (v, 64, 64, 3)."""
    sheet = [(label, [frame if i == 0 else None, *frames]) for i, (label, frames) in enumerate(rows.items())]
    _sheet(
        path,
        "What each dimension of the latent does",
        "one dimension at a time, from the most informative on; all others stay as the frame has them",
        sheet,
        headers=["frame", *(f"{_signed(s)} sigma" for s in sigmas)],
        apart={0},
    )


def interpolation(path: Path, ends: Frames, between: Frames, faded: Frames) -> None:
    """From frame to frame (m, 2, 64, 64, 3): decoded on the way in z (m, v, 64, 64, 3), above the fade of pixels."""
    rows: list[Row] = []
    for (first, last), decoded, mixed in zip(ends, between, faded, strict=True):
        rows += [("through z", [first, *decoded, last]), ("fade of pixels", [None, *mixed, None])]
    num = between.shape[1]
    _sheet(
        path,
        "From one frame to another",
        "real frames at both ends; between them V decodes a straight line in z, and below their pixels are mixed",
        rows,
        headers=["real", *(f"{100 * i / (num - 1):.0f}%" for i in range(num)), "real"],
        apart={0, num},
        block=2,
    )


def edits(path: Path, rows: Mapping[str, Frames]) -> None:
    """Attribute arithmetic: for each label m frames x (input, reconstruction, at s / 2, s, -s): (m, 5, 64, 64, 3)."""
    assert rows, "there must be an attribute"
    num = max(len(frames) for frames in rows.values())
    blank = [None] * 5
    sheet: list[Row] = [
        (label, [cell for i in range(num) for cell in (frames[i] if i < len(frames) else blank)])
        for label, frames in rows.items()
    ]
    _sheet(
        path,
        "Attributes added and taken away: z + s v",
        "v is what an attribute adds, from training tracks; the frames lack it, and are of tracks never trained on",
        sheet,
        headers=["frame", "seen", "+ s v / 2", "+ s v", "- s v"] * num,
        apart={5 * i - 1 for i in range(1, num)},
    )


def samples(path: Path, frames: Frames, *, columns: int = 10) -> None:
    """Decoded draws (m, 64, 64, 3) from the prior N(0, I)."""
    rows = [("", list(frames[i : i + columns])) for i in range(0, len(frames), columns)]
    _sheet(path, "Roads that are not there", "V decodes draws of z from its prior, N(0, I)", rows)


def informative(path: Path, kl: np.ndarray, tells: np.ndarray, names: Sequence[str]) -> None:
    """KL (z,) of each dimension in nats, sorted, over what it tells: squared correlations (z, len(names)) in [0, 1]."""
    assert tells.shape == (len(kl), len(names)), f"tells must be ({len(kl)}, {len(names)}), not {tells.shape}"
    width, height, bars, left = 28, 24, 170, 190
    note = (
        f"bars: KL of each dimension in nats, mean over frames, {kl.sum():.1f} in all; cells: squared correlation with "
        "what is true of the frame, in %"
    )
    order = np.argsort(-kl, kind="stable")
    total = max(_LEAST_WIDTH, 2 * MARGIN + left + len(kl) * width)
    lines = _wrapped(note, total - 2 * MARGIN)
    top = MARGIN + 30 + _LINE * len(lines) + 24
    canvas = Canvas(total, top + bars + 30 + len(names) * height + MARGIN)
    _heading(canvas, "What the latent holds, dimension by dimension", lines)
    for row, name in enumerate(names):
        canvas.text(name, MARGIN, top + bars + 30 + (row + 0.5) * height, _NOTE_SIZE, INK, "lm")
    canvas.text("dimension", MARGIN, top + bars + 14, _NOTE_SIZE, QUIET, "lm")
    canvas.text("KL [nats]", MARGIN, top + bars - 12, _NOTE_SIZE, QUIET, "lm")
    for column, dim in enumerate(order):
        x, tall = MARGIN + left + column * width, bars * float(kl[dim]) / max(float(kl.max()), 1e-9)
        canvas.rectangle(x + 3, top + bars - tall, width - 6, tall, ACCENT)
        canvas.text(f"{kl[dim]:.1f}", x + width / 2, top + bars - tall - 3, 11, QUIET, "ms")
        canvas.text(str(dim), x + width / 2, top + bars + 14, 12, INK, "mm")
        for row, value in enumerate(np.clip(tells[dim], 0, 1)):
            y = top + bars + 30 + row * height
            canvas.rectangle(x + 1, y + 1, width - 2, height - 2, _tint(float(value)))
            if value >= 0.05:
                canvas.text(
                    f"{100 * value:.0f}", x + width / 2, y + height / 2, 11, PAPER if value > 0.5 else INK, "mm"
                )
    canvas.save(path)


def _signed(value: float) -> str:
    return f"{value:+g}" if value else "0"


def _tint(value: float) -> tuple[int, int, int]:
    """From nearly white at 0 to blue at 1."""
    low, high = np.array([243, 245, 248]), np.array([20, 72, 140])
    r, g, b = (low + (high - low) * value**0.7).astype(int).tolist()
    return r, g, b


def _wrapped(text: str, width: float, size: int = _NOTE_SIZE) -> list[str]:
    """Lines of `text` that are at most `width` pixels long."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font(size).getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _heading(canvas: Canvas, title: str, lines: Sequence[str]) -> None:
    canvas.text(title, MARGIN, MARGIN, _TITLE_SIZE)
    for i, line in enumerate(lines):
        canvas.text(line, MARGIN, MARGIN + 30 + _LINE * i, _NOTE_SIZE, QUIET)


def _sheet(
    path: Path,
    title: str,
    note: str,
    rows: Sequence[Row],
    *,
    headers: Sequence[str] = (),
    apart: frozenset[int] | set[int] = frozenset(),
    block: int = 1,
) -> None:
    """Rows of frames under headers, with more room after the columns in `apart` and after every `block` rows."""
    labels = [label.split("\n") for label, _ in rows]
    widths = [font(_LABEL_SIZE if i == 0 else _NOTE_SIZE).getlength(line) for ls in labels for i, line in enumerate(ls)]
    label_width = int(max(widths)) + (12 if any(widths) else 0)
    columns = max(len(frames) for _, frames in rows)
    lefts = [MARGIN + label_width + c * (CELL + GAP) + 2 * GAP * sum(a < c for a in apart) for c in range(columns)]
    width = max(_LEAST_WIDTH, lefts[-1] + CELL + MARGIN)
    lines = _wrapped(note, width - 2 * MARGIN)
    top = MARGIN + 30 + _LINE * len(lines) + (30 if headers else 10)
    tops = [top + r * (CELL + GAP) + (2 * GAP * (r // block) if block > 1 else 0) for r in range(len(rows))]
    canvas = Canvas(width, tops[-1] + CELL + MARGIN)
    _heading(canvas, title, lines)
    for x, header in zip(lefts, headers, strict=False):
        canvas.text(header, x + CELL / 2, top - 8, _NOTE_SIZE, QUIET, "ms")
    for y, words, (_, frames) in zip(tops, labels, rows, strict=True):
        for i, line in enumerate(words):
            place = y + CELL / 2 + _LINE * (i - (len(words) - 1) / 2)
            canvas.text(line, MARGIN, place, *((_LABEL_SIZE, INK) if i == 0 else (_NOTE_SIZE, QUIET)), "lm")
        for x, frame in zip(lefts, frames, strict=False):
            if frame is not None:
                canvas.frame(frame, x, y, SCALE)
    canvas.save(path)
