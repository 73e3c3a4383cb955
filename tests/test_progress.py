"""Progress says where the work stands."""

import os
import pty
import re
import select
import sys

import pytest

import reverie.progress
from reverie.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved: `clock[0] += 5`."""
    now = [100.0]
    monkeypatch.setattr(reverie.progress.time, "monotonic", lambda: now[0])
    return now


def test_plain_lines(capsys, clock):
    with Progress("vision", 40_000, "images", start=2000) as bar:
        for _ in range(12):  # 1000 images in each of 12 s ...
            clock[0] += 1
            bar.advance(1000, loss=31.234, lr=1e-4, best="no")
        assert capsys.readouterr().err == ""
        clock[0] += 8
        bar.update(22_000)  # ... and 22000, of which 2000 were there, in 20 s
        first = capsys.readouterr().err
        clock[0] += 1
        bar.advance(500)
        assert capsys.readouterr().err == ""
    last = capsys.readouterr()
    info = "loss 31.2  lr 0.0001  best no"
    assert first == f"vision  22000/40000 images  1000 images/s  0:20 elapsed  0:18 left  {info}\n"
    assert last.err == f"vision  22500/40000 images  976 images/s  0:21 elapsed  0:17 left  {info}\n"
    assert last.out == ""


def test_lines_without_total_or_rate(clock):
    bar = Progress("search", None, "generations")
    clock[0] += 3723
    bar.update(2)
    assert bar.text() == "2 generations  0.000537 generations/s  1:02:03 elapsed"
    expected = Progress("x", 5, "steps")
    expected.expect(90.5)
    assert expected.text() == "0/5 steps  0 steps/s  0:00 elapsed  1:30 left"
    clock[0] += 30
    assert expected.text() == "0/5 steps  0 steps/s  0:30 elapsed  1:00 left"
    assert Progress("x", 5, "steps").text() == "0/5 steps  0 steps/s  0:00 elapsed  -:-- left"


def test_the_limit_that_decides_is_shown_first():
    bar = Progress("search", 40, "generations")
    assert (Progress("x", None, "steps").share, Progress("x", 0, "steps").share, bar.share) == (None, 1.0, 0.0)
    bar.update(10, best="812")
    assert bar.share == 0.25
    bar.limit(18, 24, "minutes")
    assert bar.share == 0.75
    assert bar.text().startswith("18/24 minutes  10/40 generations")
    bar.limit(25, 24, "minutes")
    assert bar.share == 1.0


def test_quiet(capsys, clock):
    with Progress("vision", 10, "images", quiet=True) as bar:
        clock[0] += 60
        bar.advance(5)
    assert capsys.readouterr() == ("", "")


def test_bar_on_a_terminal(monkeypatch, capsys):
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "160")
        monkeypatch.setattr(sys, "stderr", terminal)
        with Progress("vision [x]", 10, "images") as bar:
            bar.advance(10, loss=0.5)
            print("a result")
        drawn = ""
        while select.select([ours], [], [], 0.2)[0]:  # a terminal hands over as much as it likes at a time
            drawn += os.read(ours, 1_000_000).decode()
    os.close(ours)
    assert capsys.readouterr().out == "a result\n"
    assert "vision [x]" in drawn
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn)
    lines = [line.strip() for line in re.split(r"[\r\n]+", plain)]
    assert "vision [x]  loss 0.5" in lines  # a line of its own, above the bar
    assert any("10/10 images" in line and "loss" not in line for line in lines)
