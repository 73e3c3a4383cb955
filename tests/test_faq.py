"""Every command of docs/faq.md runs as it is written, in order and in one place."""

import re
from pathlib import Path

import pytest

from reverie.cli.main import VERBS
from reverie.run import settings
from reverie.run.reference import all_settings
from tests.cli.conftest import reverie
from tests.pages import commands

PAGE = (Path(__file__).parents[1] / "docs/faq.md").read_text(encoding="utf-8")


def test_its_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, fewer in (
        ("inspect.TRAINING_TRACKS_USED", 100),
        ("report.BEGINS", range(16, 27, 5)),
        ("report.HORIZON", 10),
        ("report.FILMED", 10),
    ):
        monkeypatch.setattr(f"reverie.studies.{name}", fewer)
    assert len(commands(PAGE)) >= 9
    for name, *arguments in commands(PAGE):
        assert name == "reverie", arguments
        if arguments[0] == "dream":
            arguments[arguments.index("--seconds") + 1] = "1"
        done = reverie(*arguments, cwd=tmp_path)
        assert done.returncode == 0, f"{arguments}\n{done.stderr}"
    assert (tmp_path / "runs/try/report.html").exists()


def test_what_is_too_long_to_run_is_a_command() -> None:
    assert commands(PAGE, "text")
    for words in commands(PAGE, "text"):
        verb, *rest = words[words.index("reverie") + 1 :]
        assert verb in VERBS
        for recipe in rest:
            settings.load(recipe)


def test_the_settings_that_it_names_are_settings() -> None:
    named = set(re.findall(r"`((?:vision|memory|collect|controller)\.[\w.]+)`", PAGE))
    assert len(named) >= 6
    assert named <= {setting.key for setting in all_settings()}


def test_questions_are_asked_once() -> None:
    asked = re.findall(r"^### (.+)$", PAGE, re.MULTILINE)
    assert len(asked) == len(set(asked)) >= 20
