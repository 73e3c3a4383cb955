"""Agents that leave their runs, and those in the package."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from reverie.challenge import IN_WORDS
from reverie.checkpoint import file_sha256
from reverie.cli.main import VERBS
from reverie.dream.dreamer import load_dreams
from reverie.dream.moments import load_moments
from reverie.models.files import SHIPPED, check_made_for, packaged
from reverie.run.evaluations import faults, keep, kept, kept_since
from reverie.run.folder import RunFolder
from reverie.run.ship import copy_agent
from tests.cli.conftest import reverie
from tests.evaluations import EVALUATION


def test_shipped_agent_is_whole_and_has_no_data(tiny_run: RunFolder, tmp_path: Path) -> None:
    run = tiny_run
    (run.evolution / "state.safetensors").write_bytes(b"large")
    keep(run, replace(EVALUATION, run=str(run.path), challenge="bars"), run.agent_digest)
    run.manifest["stages"]["controller"]["files"]["evolution/state.safetensors"] = "0" * 64
    copy_agent(run, tmp_path / "shipped")
    shipped = RunFolder.open(tmp_path / "shipped")
    assert shipped.config == run.config
    assert json.loads(shipped.evaluation.read_text())["run"] == "shipped"
    assert [(one["run"], one["challenge"]) for one in kept_since(shipped).values()] == [("shipped", "bars")]
    assert not list(faults(shipped))
    for stage in ("vision", "memory", "controller", "evaluate"):
        assert shipped.is_done(stage)
        shipped.verify(stage)
    names = {path.name for path in (tmp_path / "shipped").rglob("*") if path.is_file()}
    assert {"vision.safetensors", "memory.safetensors", "controller.safetensors", "log.csv"} <= names
    assert not names & {"state.safetensors", "frames.npy", "index.jsonl", "mu.npy", "vision.optimizer.safetensors"}


def test_an_ensemble_ships_with_its_members(
    tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reverie.run.ship._STARTS", 4)
    run = tiny_run
    for name in ("memory", "dream"):
        for suffix in ("safetensors", "json"):
            shutil.copy(run.path / f"{name}.{suffix}", run.path / f"{name}.1.{suffix}")
        files = run.manifest["stages"]["memory"]["files"]
        files[f"{name}.1.safetensors"] = files[f"{name}.safetensors"]
    copy_agent(run, tmp_path / "shipped")
    shipped = RunFolder.open(tmp_path / "shipped")
    shipped.verify("memory")
    assert shipped.stage("memory")["files"].keys() >= {"memory.1.safetensors", "dream.1.safetensors"}
    assert len(load_dreams(shipped.path).members) == 1
    moments, _ = load_moments(run.dream, run.memory)
    assert len(moments) == 6
    for i in ("", ".1"):  # the same four of six, spread over the bank
        kept, _ = load_moments(shipped.path / f"dream{i}.safetensors", shipped.path / f"memory{i}.safetensors")
        for found, expected in ((kept.z, moments.z), (kept.state.h, moments.state.h), (kept.earned, moments.earned)):
            assert torch.equal(found, expected[[0, 1, 3, 4]])


def test_rounds_that_stay_behind_are_named_after_the_agent(tiny_run: RunFolder, tmp_path: Path) -> None:
    kept, places = RunFolder.open("dreamt").stage("evaluate")["rounds"], ("x/rounds/0", "x")
    rounds = [each | {"run": f"/home/somebody/{place}"} for each, place in zip(kept[:2], places, strict=True)]
    tiny_run.manifest["stages"]["evaluate"]["rounds"] = rounds
    copy_agent(tiny_run, tmp_path / "shipped")
    found = RunFolder.open(tmp_path / "shipped").stage("evaluate")["rounds"]
    assert found == [kept[0] | {"run": "shipped/rounds/0"}, kept[1] | {"run": "shipped"}]


@pytest.mark.parametrize("name", SHIPPED)
def test_an_agent_in_the_package_is_whole(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = RunFolder.open(name)
    assert (run.name, run.is_packaged, run.path) == (name, True, packaged(name))
    found = json.loads(reverie("info", name, "--json").stdout)
    assert found["complete"]
    assert found["verified"] == ["vision", "memory", "controller", "evaluate", "pictures"]
    assert found["evaluation"]["run"] == name
    assert not list(faults(run))
    assert {one["run"] for one in kept(run)} == {name}
    measured = {(one["renderer"], one["challenge"]) for one in kept_since(run).values() if one["num_tracks"] == 100}
    assert measured == {("fast", None), *(("fast", challenge) for challenge in IN_WORDS)}
    assert sum(found["bytes"].values()) < 12e6
    assert {file for file in found["sha256"] if not (run.path / file).exists()} == set()
    assert not list(run.path.rglob("*optimizer*"))
    check_made_for(run.controller, run.path)
    assert len(load_dreams(run.path).members) == run.config.memory.members - 1
    assert not re.search(r'"/|"~', (run.path / "manifest.json").read_text()), "a path of the machine that made it"


@pytest.mark.parametrize("name", SHIPPED)
def test_a_folder_of_its_name_comes_first(
    name: str, tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_run.path, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    run = RunFolder.open(name)
    assert not run.is_packaged
    assert file_sha256(run.vision) == file_sha256(tiny_run.vision)


def test_the_one_from_dreams_still_tells_its_rounds() -> None:
    found = json.loads(reverie("info", "dreamt", "--json").stdout)
    assert [each["round"] for each in found["rounds"]] == [0, 1, 2, 3, 4, 5]
    assert [each["score"] for each in found["rounds"][:5]] == [None] * 5
    assert found["rounds"][5]["score"] == found["evaluation"]["mean"] == pytest.approx(911.9, abs=0.05)
    assert found["selected"] == {"round": 5, "evaluation": found["evaluation"]}
    assert found["ledger"]["learning"] == 0, "its C was searched for in dreams"
    assert found["frames"] == 391_267
    own = [sum(each["ledger"][kind] for kind in ("collecting", "selecting")) for each in found["rounds"]]
    assert sum(own) + 13_735 == 391_267, "all rounds, and the drives by which one was kept"
    text = reverie("info", "dreamt").stdout
    assert re.search(r"^0 +360 +81,664 ", text, re.MULTILINE)
    assert "391,267 simulator frames (143,080 collecting, 248,187 selecting)" in text


@pytest.mark.parametrize("name", SHIPPED)
def test_it_drives(name: str) -> None:
    done = reverie("evaluate", name, "--renderer", "fast", "--tracks", "4", "--workers", "0", "--json", "--quiet")
    found = json.loads(done.stdout)
    assert (found["run"], found["num_tracks"]) == (name, 4)
    assert sorted(found["returns"])[1] > 850, "track 2, as our rasteriser draws it, throws either off"


@pytest.mark.parametrize("verb", VERBS)
def test_a_help_text_that_names_one_names_all(verb: str) -> None:
    text = reverie(verb, "--help").stdout
    assert {name in text for name in SHIPPED} in ({True}, {False})
