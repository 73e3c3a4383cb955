"""How the error of a dream grows, beside that of guesses that know nothing.

Shapes: t decisions dreamt.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reverie.show.figure import OURS, PAPER, new_figure, plain, save_figure


def trust(
    path: Path,
    dream: Sequence[float],
    still: Sequence[float],
    usual: Sequence[float],
    *,
    trusted: int,
    decisions_per_second: float,
) -> None:
    """Errors (t,) over the seconds dreamt, and for how many decisions the dream is `trusted`."""
    seconds = (np.arange(len(dream)) + 1) / decisions_per_second
    figure = new_figure(9.0, 4.2)
    axes = figure.subplots()
    if trusted:
        axes.axvspan(
            0, seconds[trusted - 1], color=OURS, alpha=0.12, linewidth=0, label="nearer than both, beyond chance"
        )
    for values, label, color in (
        (dream, "the dream", OURS),
        (still, "guess: all stays as it was", PAPER),
        (usual, "guess: all looks as on average", "#6b7280"),
    ):
        axes.plot(seconds, values, color=color, linewidth=2, label=label)
    axes.set_xlim(0, seconds[-1])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("seconds since M last saw the road")
    axes.set_ylabel("distance from what really came (in V's numbers)")
    figure.legend(frameon=False, loc="outside lower center", ncols=4, fontsize=9)
    plain(axes)
    save_figure(figure, path)
