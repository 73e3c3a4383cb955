"""Every setting, by name."""

import json

import pytest

from reverie.cli.main import main
from reverie.run import settings
from reverie.run.reference import all_settings, matching


def test_it_has_every_setting_of_a_recipe_and_says_what_each_means() -> None:
    found = {setting.key: setting for setting in all_settings()}
    assert set(found) - {"env.kwargs"} == set(settings.flatten(settings.load("quick")))  # a table, and empty
    assert [key for key, setting in found.items() if not setting.meaning] == []


@pytest.mark.parametrize(
    ("key", "kind", "default"),
    [
        ("collect.episodes", "integer, 2 to 1,000,000", 200),
        ("memory.fit.beta1", "number, at least 0, less than 1", 0.9),
        ("vision.mirror", "true | false", False),
        ("vision.net.encoder_channels", "list of integer, 1 to 4,096", (32, 64, 128, 256)),
    ],
)
def test_what_it_may_be_and_what_it_is(key: str, kind: str, default: object) -> None:
    (found,) = (setting for setting in all_settings() if setting.key == key)
    assert (found.kind, found.default) == (kind, default)


def test_a_word_finds_names_first() -> None:
    found = [setting.key for setting in matching("Mirror")]
    assert found[:2] == ["vision.mirror", "memory.mirror"]
    assert "collect.scout" in [setting.key for setting in matching("iterative training")]


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings", "collect.steps", "--recipe", "quick"]) == 0
    out = capsys.readouterr().out
    assert out == "collect.steps = 200  (integer, 2 to 100,000)\n    Decisions of an episode at most.\n"
    assert main(["settings", "--json", "--recipe", "quick"]) == 0
    assert json.loads(capsys.readouterr().out)["vision.model"]["value"] == "vae"
    assert main(["settings", "nosuchword"]) == 2
    assert "no setting has 'nosuchword'" in capsys.readouterr().err
