"""The run folder: what it refuses and forgets."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from reverie.errors import UserError
from reverie.run import settings
from reverie.run.folder import RunFolder
from reverie.run.manifest import write_manifest
from reverie.run.ship import copy_agent
from reverie.training.stage_clock import StageClock


def test_forgetting_a_stage_forgets_what_was_made_from_it(tiny_run: RunFolder) -> None:
    tiny_run.forget("memory")
    reopened = RunFolder.open(tiny_run.path)
    assert reopened.is_done("vision")
    assert not any(reopened.is_done(stage) for stage in ("memory", "controller", "evaluate", "pictures"))
    assert tiny_run.vision.exists()
    assert not tiny_run.memory.exists()
    assert not tiny_run.controller.exists()


def test_a_damaged_file_is_named_with_the_cure(tiny_run: RunFolder) -> None:
    data = tiny_run.vision.read_bytes()
    tiny_run.vision.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(UserError, match=r"vision.safetensors is damaged .* run `reverie vision --run .* --again`"):
        tiny_run.verify("vision")


def test_a_damaged_manifest_is_one_line(tiny_run: RunFolder) -> None:
    (tiny_run.path / "manifest.json").write_text('{"stages": ')
    with pytest.raises(UserError, match=r"manifest.json is not valid JSON"):
        RunFolder.open(tiny_run.path)


@pytest.mark.parametrize("left", [[], ["manifest.json"], ["manifest.json", ".recipe.toml.1-2.tmp", ".lock"]])
def test_a_kill_while_the_folder_was_made_is_no_obstacle(left: list[str], tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.mkdir()
    for name in left:
        (path / name).write_text("{}")
    assert RunFolder.open_or_create(path, "debug", []).config.name == "debug"
    assert (path / "recipe.toml").exists()


def test_a_larger_budget_waits_for_the_lock_and_stays(tiny_run: RunFolder) -> None:
    before = {name: (tiny_run.path / name).read_bytes() for name in ("recipe.toml", "manifest.json")}
    longer = RunFolder.open_or_create(tiny_run.path, None, ["controller.search.generations=9"])
    assert longer.config.controller.search.generations == 9
    assert {name: (tiny_run.path / name).read_bytes() for name in before} == before
    with longer.locked():
        longer.take_settings()
    again = RunFolder.open(tiny_run.path)
    assert again.config.controller.search.generations == 9
    assert again.is_done("memory")
    assert not any(again.is_done(stage) for stage in ("controller", "evaluate", "pictures"))
    named = RunFolder.open_or_create(tiny_run.path, tiny_run.config.name, ["env.max_frames=24"])
    assert named.config.controller.search.generations == 9, "naming the recipe again must not take the budget back"


def test_settings_of_a_stage_that_is_not_begun_or_done_again_may_change(tiny_run: RunFolder) -> None:
    with pytest.raises(UserError, match=r"was made with controller\.search\.tracks\.num = 1, not 3"):
        RunFolder.open_or_create(tiny_run.path, None, ["controller.search.tracks.num=3"])
    again = RunFolder.open_or_create(tiny_run.path, None, ["controller.search.tracks.num=3"], again="controller")
    assert again.config.controller.search.tracks.num == 3
    with pytest.raises(UserError, match=r"was made with memory\.steps"):
        RunFolder.open_or_create(tiny_run.path, None, ["memory.steps=3"], again="controller")
    tiny_run.forget("controller")
    run = RunFolder.open_or_create(tiny_run.path, None, ["controller.search.tracks.num=2"])
    with run.locked():
        run.take_settings()
    assert RunFolder.open(tiny_run.path).config.controller.search.tracks.num == 2


def test_other_words_for_a_recipe_are_no_other_recipe(tiny_run: RunFolder, tmp_path: Path) -> None:
    config = settings.load("debug", ["env.max_frames=24"])
    reworded = replace(config, name="mine", description="As debug, in other words")
    settings.save(reworded, tmp_path / "mine.toml")
    run = RunFolder.open_or_create(tiny_run.path, str(tmp_path / "mine.toml"), [])
    assert run.config == config, "the run keeps its own words"
    settings.save(replace(reworded, seed=1), tmp_path / "mine.toml")
    with pytest.raises(UserError, match=r"was made with seed = 0, not 1"):
        RunFolder.open_or_create(tiny_run.path, str(tmp_path / "mine.toml"), [])


@pytest.mark.parametrize(
    ("old", "new"),
    [("[evaluate]", "[evaluate]\nkind = 3"), ('learner = "search"', 'learner = "osmosis"'), ("[env]", "[envs]")],
)
def test_a_run_of_another_version_names_it(old: str, new: str, tiny_run: RunFolder) -> None:
    recipe, manifest = tiny_run.path / "recipe.toml", tiny_run.path / "manifest.json"
    assert old in recipe.read_text()
    recipe.write_text(recipe.read_text().replace(old, new))
    with pytest.raises(UserError, match=r"recipe\.toml: .*; restore it from a copy$"):
        RunFolder.open(tiny_run.path)
    write_manifest(tiny_run.path, json.loads(manifest.read_text()) | {"reverie": "7.1.0"})
    with pytest.raises(
        UserError, match=r"recipe\.toml: .*; reverie 7\.1\.0 wrote this run, and this is .* install"
    ) as caught:
        RunFolder.open(tiny_run.path)
    assert not caught.value.usage
    assert "\n" not in str(caught.value)


def test_a_manifest_of_another_version_names_it(tiny_run: RunFolder) -> None:
    (tiny_run.path / "manifest.json").write_text('{"format": 2, "reverie": "7.1.0", "stages": {}}')
    with pytest.raises(UserError, match=r"manifest\.json is not .* format 1: reverie 7\.1\.0 wrote this run"):
        RunFolder.open(tiny_run.path)


def test_the_manifest_is_read_again_under_the_lock(tiny_run: RunFolder) -> None:
    other = RunFolder.open(tiny_run.path)
    with other.locked():
        other.forget("controller")
    with tiny_run.locked():
        assert not tiny_run.is_done("controller")
        assert tiny_run.is_done("memory")


def test_forgetting_that_was_cut_is_finished(tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(_path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        tiny_run.forget("memory")
    monkeypatch.undo()
    assert tiny_run.evolution.exists()
    again = RunFolder.open(tiny_run.path)
    with again.locked():
        assert not again.evolution.exists()
        assert not again.evaluation.exists()
        assert "memory" not in RunFolder.open(tiny_run.path).manifest["stages"]


@pytest.mark.parametrize("content", ["{}", "[]", '{"format": 2, "stages": {}}', '{"format": 1, "stages": {"a": 3}}'])
def test_a_manifest_that_is_none_is_one_line(content: str, tiny_run: RunFolder) -> None:
    (tiny_run.path / "manifest.json").write_text(content)
    with pytest.raises(UserError, match=r"manifest.json .* restore it from a copy"):
        RunFolder.open(tiny_run.path)


def test_a_damaged_recipe_of_a_run_is_not_the_users_mistake(tiny_run: RunFolder) -> None:
    (tiny_run.path / "recipe.toml").write_text("name = ")
    with pytest.raises(UserError, match=r"recipe.toml is not valid TOML.* restore it") as caught:
        RunFolder.open(tiny_run.path)
    assert not caught.value.usage


def test_half_written_files_of_a_killed_process_are_removed(tiny_run: RunFolder) -> None:
    left = [tiny_run.path / ".metrics.jsonl.7-7.tmp", tiny_run.rollouts / ".00000.npz.7-7.tmp"]
    video = tiny_run.videos / ".track.mp4.7-7.tmp"  # may be written at this moment, for which no lock is needed
    for path in (*left, video):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")
    with tiny_run.locked():
        assert not any(path.exists() for path in left)
        assert video.exists()
    assert tiny_run.vision.exists()


def test_time_adds_up_over_sittings(tiny_run: RunFolder) -> None:
    tiny_run.manifest["stages"]["vision"]["seconds"] = 100.0
    clock = StageClock(tiny_run, "vision")
    clock.beat()
    manifest = json.loads((tiny_run.path / "manifest.json").read_text())
    assert manifest["stages"]["vision"]["status"] == "running"
    assert 100 <= manifest["stages"]["vision"]["seconds"] < 110


PRECISIONS = ("agent.precision", "vision.fit.precision", "memory.fit.precision")


def precisions(run: RunFolder) -> set[str]:
    found = settings.flatten(run.config)
    return {found[key] for key in PRECISIONS}


def test_a_run_keeps_the_precision_of_the_machine_that_made_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    auto, path = [f"{key}=auto" for key in PRECISIONS], tmp_path / "run"
    monkeypatch.setattr("reverie.run.manifest.fast_precision", lambda *_: "bf16")
    assert precisions(RunFolder.open_or_create(path, "debug", auto)) == {"bf16"}
    assert (path / "recipe.toml").read_text().count('precision = "auto"') == 3
    monkeypatch.setattr("reverie.run.manifest.fast_precision", lambda *_: "fp32")
    for again in (
        RunFolder.open(path),
        RunFolder.open_or_create(path, "debug", auto),
        RunFolder.open_or_create(path, None, ["controller.generations=9"]),
    ):
        assert precisions(again) == {"bf16"}
        with again.locked():
            again.take_settings()
            assert precisions(again) == {"bf16"}
    assert (path / "recipe.toml").read_text().count('precision = "auto"') == 3
    assert precisions(RunFolder.create(tmp_path / "other", settings.load("debug", auto))) == {"fp32"}


def test_an_agent_that_ships_drives_in_what_each_machine_is_fast_in(
    tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_run.save_recipe(settings.load("debug", [f"{key}=auto" for key in PRECISIONS]))
    monkeypatch.setattr("reverie.run.manifest.fast_precision", lambda *_: "bf16")
    copy_agent(RunFolder.open(tiny_run.path), tmp_path / "shipped")
    monkeypatch.setattr("reverie.run.manifest.fast_precision", lambda *_: "fp32")
    assert precisions(RunFolder.open(tmp_path / "shipped")) == {"fp32"}
