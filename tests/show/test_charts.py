"""Charts: the numbers behind them, and that they show what they are given."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reverie.show import charts
from reverie.show.charts import evaluation_histogram, learning_curve
from reverie.show.figure import OURS
from reverie.show.paper import paper_log, read_log

LOG = """generation,hours,mean_return,min_return,max_return,frames,eval_mean_return
1,0.1,10.0,1.0,20.0,1000,
2,0.2,30.0,2.0,50.0,2000,40.5
"""


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return image.size


def test_read_log():
    log = read_log(LOG)
    assert log["hours"].tolist() == [0.1, 0.2]
    assert math.isnan(log["eval_mean_return"][0])
    assert log["eval_mean_return"][1] == 40.5


def test_paper_log_is_the_published_one():
    log = paper_log()
    assert len(log["generation"]) == 1800
    assert log["frames"][:2] == pytest.approx([1024 * 998.87, 1024 * (998.87 + 999.09)])
    assert log["eval_mean_return"][-1] == 900.46
    assert log["eval_mean_return"][24] == 822.88
    assert np.isnan(log["eval_mean_return"]).sum() == 1800 - 72


def test_learning_curve_shows_the_run(tmp_path: Path):
    def drawn(log: dict[str, np.ndarray]) -> bytes:
        learning_curve(tmp_path / "c.png", log, title="test", with_paper=True)
        return (tmp_path / "c.png").read_bytes()

    log = read_log(LOG)
    first = drawn(log)
    assert size(tmp_path / "c.png") == (1375, 572)
    assert drawn(log) == first
    for key in ("mean_return", "max_return", "eval_mean_return", "frames", "hours"):
        assert drawn({**log, key: 3 * log[key]}) != first, key


def test_frames_are_cumulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    figures = []
    monkeypatch.setattr(charts, "save_figure", lambda figure, path: figures.append((figure, path)))
    learning_curve(tmp_path / "c.png", read_log(LOG), title="test", with_paper=True)
    lines = [line for axes in figures[0][0].axes for line in axes.lines if line.get_color() == OURS]
    curves = {tuple(line.get_xdata()): [] for line in lines}
    for line in lines:
        curves[tuple(line.get_xdata())].append(line.get_ydata().tolist())
    assert curves == {
        (0.1, 0.2): [[20, 50], [10, 30]],
        (0.2,): [[40.5]],
        (1000, 3000): [[20, 50], [10, 30]],
        (3000,): [[40.5]],
    }


def test_learning_curve_before_the_first_evaluation(tmp_path: Path):
    log = read_log(LOG)
    learning_curve(tmp_path / "c.png", {**log, "eval_mean_return": np.full(2, np.nan)}, title="test", with_paper=True)
    assert size(tmp_path / "c.png") == (1375, 572)


def test_histogram(tmp_path: Path):
    def drawn(returns: list[float], ci95: tuple[float, float] | None = (700.0, 900.0)) -> bytes:
        evaluation_histogram(tmp_path / "h.png", returns, ci95=ci95, title="test", with_paper=True)
        return (tmp_path / "h.png").read_bytes()

    first = drawn([700.0, 800.0, 900.0])
    assert size(tmp_path / "h.png") == (880, 484)
    assert drawn([700.0, 800.0, 900.0]) == first
    assert drawn([600.0, 800.0, 1000.0]) != first  # the mean is the same, the spread is not
    assert drawn([700.0, 800.0, 900.0], ci95=None) != first
    drawn([-93.0], ci95=None)  # a single track, and a bad one
