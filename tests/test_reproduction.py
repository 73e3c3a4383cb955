"""docs/reproduction.md: its commands run, its settings exist, and its figures stand where they were measured."""

import re
from pathlib import Path

import pytest

from reverie.cli.main import VERBS
from reverie.run import settings
from tests.cli.conftest import reverie
from tests.pages import commands

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "reproduction.md").read_text(encoding="utf-8")
MEASURED = "\n".join(
    (DOCS / name).read_text(encoding="utf-8")
    for name in ("results.md", "experiments.md", "vision.md", "memory.md", "doom.md")
)
SCORE = re.compile(r"(-?\d+(?:\.\d+)?) \[(-?\d+(?:\.\d+)?), (-?\d+(?:\.\d+)?)\]")
SMALL = {"quick": "debug", "seed": "debug", "100": "2", "60": "3"}
"""The same commands in seconds."""


def is_measured(score: tuple[str, ...], pages: str) -> bool:
    """Whether a page has a mean beside its interval, as `[low, high]` or `low to high`; `score` is all three."""
    mean, low, high = map(re.escape, score)
    interval = rf"(?:\[{low}, {high}\]|{low} to {high})"
    return re.search(rf"(?<![\d.]){mean}(?: \| | ){interval}(?![\d.])", pages.replace("**", "")) is not None


def test_every_score_stands_where_it_was_measured() -> None:
    found = SCORE.findall(PAGE)
    assert len(found) >= 17
    assert [score for score in found if not is_measured(score, MEASURED)] == []


def test_a_score_that_nobody_measured_is_found() -> None:
    assert is_measured(("877.9", "862.7", "893.2"), "| **877.9** | 862.7 to 893.2 |")
    assert is_measured(("562", "488", "636"), "has **562** [488, 636] tics")
    assert not is_measured(("877.9", "862.7", "893.3"), "| **877.9** | 862.7 to 893.2 |")
    assert not is_measured(("77.9", "862.7", "893.2"), "| **877.9** | 862.7 to 893.2 |")


def test_what_must_be_beside_what_is() -> None:
    for row in ("| z alone |", "hidden layer of 40 |", "the full agent", "never trained |", "| on the road |"):
        assert row in PAGE
    for row in ("| in dreams alone |", "VAE/GAN", "z and h"):
        assert row in PAGE
    assert "| ReScience | here |" in PAGE


def test_its_settings_are_settings() -> None:
    options = re.findall(r"`((?:controller|collect)\.[\w.]+=[\w.]+)`", PAGE)
    assert len(options) >= 8
    for option in options:
        more = ["controller.search.strategy.name=openes"] if option.endswith("=halves") else []
        settings.load("seed", [option, *more])
    for _, verb, recipe, *rest in commands(PAGE, "text"):
        assert verb == "train"
        settings.load(recipe, [rest[i + 1] for i, word in enumerate(rest) if word == "--set"])
    for verb in re.findall(r"`reverie (\w+)", PAGE):
        assert verb in VERBS


def test_its_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, fewer in (
        ("compare.TRAINING_TRACKS_USED", 100),
        ("compare.TUNING_TRACKS", 20),
        ("inspect.TRAINING_TRACKS_USED", 100),
    ):
        monkeypatch.setattr(f"reverie.studies.{name}", fewer)
    assert len(commands(PAGE)) >= 14
    for command in commands(PAGE):
        name, *arguments = (SMALL.get(word, word) for word in command)
        assert name == "reverie", command
        if arguments[0] == "compare":
            arguments += ["--tracks", "10"]
        done = reverie(*arguments, cwd=tmp_path)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    assert "untrained" in (tmp_path / "comparison/comparison.md").read_text()
    assert (tmp_path / "runs/gan/evaluation.json").exists()
