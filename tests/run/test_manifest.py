"""manifest.json and recipe.toml are what they were when they were written, or are named with the cure."""

import json
from typing import Any

import pytest

from reverie.errors import UserError
from reverie.run import settings
from reverie.run.folder import RunFolder
from reverie.run.manifest import write_manifest

NAMES = ("manifest.json", "recipe.toml")


@pytest.mark.parametrize("name", NAMES)
def test_a_flipped_bit_is_named_wherever_it_is(name: str, tiny_run: RunFolder) -> None:
    path = tiny_run.path / name
    whole = path.read_bytes()
    for place in range(0, len(whole), len(whole) // 40):
        for bit in (1, 4):  # 4 makes another digit of a digit
            path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
            with pytest.raises(UserError, match=rf"{name}.*restore (it|both) from a copy"):
                RunFolder.open(tiny_run.path)
    path.write_bytes(whole)
    RunFolder.open(tiny_run.path)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("content", [b"", b"{}", b"name", b"\xff\xfe", b"\x00" * 100])
def test_another_file_in_its_place_is_named(name: str, content: bytes, tiny_run: RunFolder) -> None:
    (tiny_run.path / name).write_bytes(content)
    with pytest.raises(UserError, match=name):
        RunFolder.open(tiny_run.path)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("stages", "vision", "files"), {"../../etc/passwd": "0" * 64}),
        (("stages", "vision", "files"), {"/etc/passwd": "0" * 64}),
        (("stages", "vision", "states"), {"a/../../b": "0" * 64}),
        (("stages", "vision", "files"), ["vision.safetensors"]),
        (("stages", "vision", "seconds"), "long"),
        (("stages", "vision", "seconds"), -1),
        (("stages", "vision", "status"), "perhaps"),
        (("stages", "collect", "frames"), "many"),
        (("stages", "collect", "forerunner"), {"driving": 3}),
        (("stages", "evaluate", "mean"), [3]),
        (("stages", "vision", "held_out_collapse"), True),
        (("stages", "memory", "foresight"), "none"),
        (("stages", "controller", "stood_still"), "two\nlines"),
        (("stages", "sleep"), {"status": "done", "seconds": 1}),
        (("machine",), {"cores": "two"}),
        (("versions",), [1]),
        (("precision",), "fp8"),
        (("reverie",), 3),
    ],
)
def test_a_manifest_that_says_what_none_can_is_a_line(where: tuple[str, ...], value: Any, tiny_run: RunFolder) -> None:
    manifest = json.loads((tiny_run.path / "manifest.json").read_text())
    part = manifest
    for key in where[:-1]:
        part = part[key]
    part[where[-1]] = value
    write_manifest(tiny_run.path, manifest)
    with pytest.raises(UserError, match=r"manifest\.json is damaged \([\w.]") as caught:
        RunFolder.open(tiny_run.path)
    assert "\n" not in str(caught.value)


def test_an_edited_recipe_says_what_differs_and_what_to_do(tiny_run: RunFolder) -> None:
    recipe = tiny_run.path / "recipe.toml"
    text = recipe.read_text()
    recipe.write_text("# a remark changes nothing\n" + text)
    RunFolder.open(tiny_run.path)
    recipe.write_text(text.replace("tracks = 2\n", "tracks = 3\n").replace("steps = 6\n", "steps = 7\n"))
    with pytest.raises(UserError) as caught:
        RunFolder.open(tiny_run.path)
    said = str(caught.value)
    assert "recipe.toml says memory.steps = 7, and manifest.json that the run was given 6, and " in said
    assert " more differ: put it back, or restore both from a copy; other settings are given by --set memory" in said
    recipe.write_text(text)
    with RunFolder.open(tiny_run.path).locked():
        pass


def test_a_null_where_the_run_was_given_nothing_is_named(tiny_run: RunFolder) -> None:
    manifest = json.loads((tiny_run.path / "manifest.json").read_text())
    manifest["settings"][0]["env"]["kwargs"] = None
    write_manifest(tiny_run.path, manifest)
    with pytest.raises(UserError, match=r"recipe\.toml says env\.kwargs = None.*restore both from a copy"):
        RunFolder.open(tiny_run.path)


def test_a_kill_between_manifest_and_recipe_leaves_a_run_that_opens(
    tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(settings, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        tiny_run.save_recipe(settings.load(str(tiny_run.path / "recipe.toml"), ["evaluate.tracks=9"]))
    monkeypatch.undo()
    again = RunFolder.open(tiny_run.path)
    assert again.config.evaluate.tracks == tiny_run.config.evaluate.tracks
    with again.locked():
        assert len(again.manifest["settings"]) == 1
    again.save_recipe(settings.load(str(tiny_run.path / "recipe.toml"), ["evaluate.tracks=9"]))
    assert RunFolder.open(tiny_run.path).config.evaluate.tracks == 9


def test_a_run_of_an_earlier_version_gets_its_checksums_when_it_goes_on(tiny_run: RunFolder) -> None:
    manifest = json.loads((tiny_run.path / "manifest.json").read_text())
    old = {key: value for key, value in manifest.items() if key not in ("sha256", "settings")}
    (tiny_run.path / "manifest.json").write_text(json.dumps(old))
    with RunFolder.open(tiny_run.path).locked():
        pass
    assert json.loads((tiny_run.path / "manifest.json").read_text()).keys() >= {"sha256", "settings"}
