"""What all charts are drawn with: matplotlib's own canvas, no window, no global state."""

from pathlib import Path
from typing import TYPE_CHECKING

from reverie.plotting import import_matplotlib
from reverie.writing import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OURS, PAPER, GRID = "#c2410c", "#1d4e89", "#d9dde3"


def new_figure(width: float, height: float) -> "Figure":
    """An empty one, so many inches large."""
    import_matplotlib()
    from matplotlib.figure import Figure

    return Figure((width, height), dpi=110, layout="constrained")


def plain(axes: "Axes") -> None:
    """A quiet grid, and no frame."""
    axes.grid(color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def save_figure(figure: "Figure", path: Path) -> None:
    """A PNG without the date and the name of the program, so that the same chart gives the same bytes."""
    with write_atomically(path) as file:
        figure.savefig(file, format="png", metadata={"Software": None})
