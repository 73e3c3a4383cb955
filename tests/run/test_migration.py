"""Recipes and keys of earlier versions: they are read as they were meant, and that is said once."""

import shutil
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reverie.cli.main import main
from reverie.errors import UserError
from reverie.models.files import SHIPPED
from reverie.run import settings
from reverie.run.folder import RunFolder
from reverie.run.migration import CHANGED, MOVED

OLD_RUN = Path(__file__).parent / "data/old_run"
"""Recipe and manifest of a run of `debug`, by a version that had all of C's settings in one section."""


def test_a_run_of_an_earlier_version_is_the_run_of_today(capsys: pytest.CaptureFixture[str]) -> None:
    old, new = RunFolder.open(OLD_RUN).config, settings.load("debug")
    search = replace(new.controller.search, finals=replace(new.controller.search.finals, average=2))
    controller = replace(new.controller, search=search, dream=old.controller.dream)  # of which it knew nothing
    assert old == replace(new, controller=controller, description=old.description)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    first = "controller.average = 0 is now controller.search.finals.average = 2"
    assert f"old_run/recipe.toml has names of an earlier version: {first}, and 27 more have new names" in said[0]


def test_the_stored_run_has_every_old_key() -> None:
    table = tomllib.loads((OLD_RUN / "recipe.toml").read_text())
    for key in MOVED:
        section, name = key.split(".")
        assert name in table[section], key
    assert {key for key, _ in CHANGED} <= MOVED.keys()


@pytest.mark.parametrize("key", MOVED)
def test_every_old_key_is_read_as_its_new_one(key: str) -> None:
    flat = settings.flatten(settings.load("debug"))
    assert key not in flat
    values: dict[str, Any] = {
        place: value
        for place, value in flat.items()
        if place == MOVED[key] or place in (f"{MOVED[key]}.population", f"{MOVED[key]}.sigma")
    }
    assert values, "the new name is a setting or a section"
    for place, value in values.items():
        wanted = _other(place, value)
        old, new = (
            settings.load("debug", [f"{name}={wanted}", "collect.agent=pretrained"])
            for name in (key + place.removeprefix(MOVED[key]), place)
        )
        assert old == new
        assert settings.flatten(new)[place] != value


def _other(place: str, value: Any) -> Any:
    """Another value of a setting, which is allowed."""
    if isinstance(value, bool):
        return str(not value).lower()
    if isinstance(value, str):
        words = {"fitness": "min", "common": "none", "name": "ga"}
        return words.get(place.split(".")[-1], "elsewhere")
    return value + 2 if isinstance(value, int) else value / 2 if value else 0.5


def test_a_file_with_a_setting_under_both_names(tmp_path: Path) -> None:
    recipe = tmp_path / "both.toml"
    recipe.write_text(
        'name = "both"\ndescription = ""\n[controller]\ntracks = 3\n[controller.search.tracks]\nnum = 4\nmax = 8\n'
    )
    with pytest.raises(
        UserError, match=r"controller\.tracks is there as controller\.search\.tracks\.num, its new name"
    ):
        settings.load(str(recipe))
    recipe.write_text(recipe.read_text().replace("num = 4\n", ""))
    tracks = settings.load(str(recipe), ["controller.tracks=5"]).controller.search.tracks
    assert (tracks.num, tracks.max) == (5, 8)


def test_a_section_that_is_none_is_one_line(tmp_path: Path) -> None:
    recipe = tmp_path / "odd.toml"
    recipe.write_text('name = "odd"\ndescription = ""\n[controller]\ntracks = 3\nsearch = 5\n')
    with pytest.raises(UserError, match=r"search of .* is a value, not a section"):
        settings.load(str(recipe))


def test_one_line_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = shutil.copytree(OLD_RUN, tmp_path / "run")
    for _ in range(2):
        main(["controller", "--run", str(run), "--set", "controller.generations=2", "--quiet"])
        said = capsys.readouterr().err.splitlines()
        assert sum("an earlier version" in line for line in said) == 1


def test_what_ships_has_the_names_of_today(capsys: pytest.CaptureFixture[str]) -> None:
    for name in settings.names():
        settings.load(name)
    for name in SHIPPED:
        RunFolder.open(name)
    assert capsys.readouterr().err == ""
