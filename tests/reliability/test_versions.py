"""Runs that other versions made, and scores that were measured in other versions of a world: recognised, and said."""

import json
import shutil
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from reverie.envs import EnvConfig
from reverie.envs.registry import versions_of
from reverie.errors import UserError
from reverie.run.folder import RunFolder
from reverie.run.manifest import write_manifest
from reverie.studies.compare import compare_runs
from reverie.studies.scores import common_returns
from reverie.training.pipeline import run_stages
from reverie.workers.contract import Workers

HERE = versions_of(EnvConfig())


def no_workers() -> AbstractContextManager[Workers]:
    raise AssertionError("nothing is to be driven")


def scored_in(run: RunFolder, versions: dict[str, str], path: Path) -> RunFolder:
    """A copy whose agent was evaluated in these versions of the world."""
    copy = RunFolder.open(shutil.copytree(run.path, path))
    evaluation = json.loads(copy.evaluation.read_text())
    copy.evaluation.write_text(json.dumps(evaluation | {"versions": versions}))
    return copy


def test_a_world_is_made_of_gymnasium_and_its_package() -> None:
    assert set(HERE) == {"gymnasium", "box2d"}
    assert set(versions_of(EnvConfig(id="minigrid:MiniGrid-Empty-5x5-v0"))) <= {"gymnasium", "minigrid"}
    assert set(versions_of(EnvConfig(id="CartPole-v1"))) == {"gymnasium"}
    assert set(versions_of(EnvConfig(id="tinypix:TinyPix-v0"))) == {"gymnasium"}


def test_scores_in_one_version_of_the_world(
    tiny_run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tiny_run.manifest["versions"].items() >= HERE.items(), "what an older evaluation is taken to be"
    here = scored_in(tiny_run, HERE, tmp_path / "here")
    returns = common_returns([tiny_run, here], 4, no_workers)
    assert [list(each) for each in returns] == [[700, 800, 800, 900]] * 2
    assert capsys.readouterr().err == ""


def test_scores_in_different_versions_of_the_world_are_said_to_be(
    tiny_run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = scored_in(tiny_run, HERE | {"gymnasium": "0.9"}, tmp_path / "there")
    common_returns([tiny_run, there], 4, no_workers)
    (said,) = capsys.readouterr().err.splitlines()
    assert "measured in different versions of the world" in said
    assert f"{there.name} in box2d {HERE['box2d']}, gymnasium 0.9" in said


@pytest.mark.parametrize("key", ["kwargs = { lap_complete_percent = 0.5 }", "max_frames = 40", "action_repeat = 8"])
def test_scores_of_different_worlds_are_refused_before_anything_is_driven(
    key: str, tiny_run: RunFolder, tmp_path: Path
) -> None:
    other = RunFolder.open(shutil.copytree(tiny_run.path, tmp_path / "other"))
    recipe = (other.path / "recipe.toml").read_text()
    name = key.partition(" ")[0]
    lines = [line for line in recipe.splitlines() if not line.startswith(f"{name} =") and line != "[env.kwargs]"]
    lines.insert(lines.index("[env]") + 1, key)
    (other.path / "recipe.toml").write_text("\n".join(lines))
    del other.manifest["settings"]
    write_manifest(other.path, other.manifest)
    runs = [tiny_run, RunFolder.open(other.path)]
    with pytest.raises(UserError, match=r"differ in \[env\]: their dreams and scores cannot be compared"):
        compare_runs(runs, None, tmp_path, tracks=3, split="validation", workers=no_workers)  # pyright: ignore[reportArgumentType]


def test_who_goes_on_with_other_versions_is_told(tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    run_stages(tiny_run, ("encode",), again=True, quiet=True)
    assert capsys.readouterr().err == ""
    tiny_run.manifest["versions"]["torch"] = "1.13.0"
    tiny_run.manifest["reverie"] = "0.0.1"
    tiny_run.write_manifest()
    run_stages(tiny_run, ("encode",), again=True, quiet=True)
    (said,) = capsys.readouterr().err.splitlines()
    assert "was begun with reverie 0.0.1 (here " in said
    assert ", torch 1.13.0 (here " in said
    assert "gymnasium" not in said
