"""Every command and every program of the course runs as it is written, in the order of its lessons."""

import re
from pathlib import Path

import pytest

from tests.cli.conftest import reverie
from tests.pages import blocks, commands
from tests.processes import python

COURSE = Path(__file__).parents[1] / "docs" / "course"
PAGES = [COURSE / "README.md", *sorted(COURSE.glob("[0-9]_*.md"))]
WORDS = ("scout", "center", "finalist", "doubt", "held-out variety", "candidate", "budget", "interval")


def test_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, fewer in (  # which changes the numbers alone
        ("compare.TRAINING_TRACKS_USED", 100),
        ("compare.TUNING_TRACKS", 20),
        ("report.BEGINS", range(16, 27, 5)),
        ("report.HORIZON", 10),
        ("report.FILMED", 10),
    ):
        monkeypatch.setattr(f"reverie.studies.{name}", fewer)
    lines = [command for page in PAGES for command in commands(page.read_text())]
    assert len(lines) >= 16
    for command in lines:
        name, *arguments = command
        assert name == "reverie", command
        if arguments[0] == "dream":
            arguments[arguments.index("4")] = "1"
        done = reverie(*arguments, cwd=tmp_path)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    for made in (
        "pretrained.html",
        "look/seen.png",
        "look/moved.png",
        "look/trust.png",
        "dream.mp4",
        "both/scores.png",
        "cold.mp4",
        "dreamt_track_0.mp4",
    ):
        assert (tmp_path / made).stat().st_size > 1000, made


def test_programs() -> None:
    programs = [block for page in PAGES for block in blocks(page.read_text(), "python")]
    assert programs
    for program in programs:
        python("-c", program)


def test_every_lesson_has_a_picture_a_command_and_questions() -> None:
    assert len(PAGES) == 6
    for page in PAGES[1:]:
        text = page.read_text()
        assert "![" in text, page
        assert blocks(text), page
        assert "## Questions" in text, page


def test_links_lead_somewhere_and_words_are_explained() -> None:
    for page in COURSE.glob("*.md"):
        for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page}: {link}"
    explained = " ".join(re.findall(r"\*\*([^*]+)\*\*", (COURSE / "glossary.md").read_text())).lower()
    assert not [word for word in WORDS if word not in explained]
