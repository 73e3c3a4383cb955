"""The whole pipeline as a user runs it: complete, resumable after a kill at any stage, and the same in the end."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reverie.checkpoint import load
from reverie.run.folder import RunFolder
from reverie.run.stages import STAGES
from tests.cli.conftest import reverie, reverie_in_a_process

pytestmark = pytest.mark.xdist_group("cli")  # one process makes the shared run

KILLED = """
import os, signal, sys
from reverie import checkpoint
from reverie.cli.main import main
from reverie.training.stage_clock import StageClock

begin, replace = StageClock.__init__, checkpoint.Path.replace

def begin_and_die(self, run, name, **options):
    begin(self, run, name, **options)
    if name == stage:
        checkpoint.Path.replace = die

def die(path, target):
    replace(path, target)
    os.kill(os.getpid(), signal.SIGKILL)

stage = sys.argv.pop(1)
StageClock.__init__ = begin_and_die
if __name__ == "__main__":
    main()
"""
"""A command that dies as soon as the named stage has written its first file."""
ARTEFACTS = ("vision.safetensors", "memory.safetensors", "controller.safetensors")


def assert_complete(path: Path) -> None:
    run = RunFolder.open(path)
    assert [stage for stage in STAGES if not run.is_done(stage)] == []
    for stage in STAGES:
        assert run.manifest["stages"][stage]["files"], stage
        run.verify(stage)
    for name in ("recipe.toml", "manifest.json", "metrics.jsonl", "evaluation.json", "evolution/log.csv", *ARTEFACTS):
        assert (path / name).stat().st_size > 0, name
    assert list((path / "tensorboard").rglob("events.*"))
    assert not list(path.rglob("*.pkl"))
    assert not list(path.rglob("*.pt"))
    assert not list(path.rglob("*.tmp"))


def test_a_run_is_a_complete_folder(debug_run: Path) -> None:
    assert_complete(debug_run)
    manifest = json.loads((debug_run / "manifest.json").read_text())
    assert manifest["seed"] == 0
    assert {"python", "torch", "gymnasium", "cma"} <= set(manifest["versions"])
    controller = manifest["stages"]["controller"]
    assert controller["vision_sha256"] == manifest["stages"]["vision"]["files"]["vision.safetensors"]
    assert controller["memory_sha256"] == manifest["stages"]["memory"]["files"]["memory.safetensors"]
    evaluation = json.loads((debug_run / "evaluation.json").read_text())
    assert evaluation["renderer"] == "gymnasium"
    assert len(evaluation["returns"]) == evaluation["num_tracks"] == 2


def test_a_finished_run_is_left_as_it_is(debug_run: Path) -> None:
    before = {name: (debug_run / name).stat().st_mtime_ns for name in ARTEFACTS}
    done = reverie("train", "--run", debug_run, "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["complete"] is True
    assert {name: (debug_run / name).stat().st_mtime_ns for name in ARTEFACTS} == before


@pytest.mark.parametrize("stage", ["collect", "vision", "memory", "controller", "evaluate"])
def test_killed_and_continued_equals_uninterrupted(stage: str, debug_run: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(debug_run, tmp_path / "run"))
    RunFolder.open(path).forget(stage)  # as it was when that stage began
    arguments = [sys.executable, "-c", KILLED, stage, "train", "debug", "--run", path, "--json", "--quiet"]
    killed = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert json.loads((path / "manifest.json").read_text())["stages"][stage]["status"] == "running"
    done = reverie("train", "debug", "--run", path, "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    assert_complete(path)
    for name in ARTEFACTS:
        mine, reference = load(path / name), load(debug_run / name)
        assert mine[1] == reference[1], name
        assert all(mine[0][key].equal(reference[0][key]) for key in reference[0]), name
    returns = [json.loads((p / "evaluation.json").read_text())["returns"] for p in (path, debug_run)]
    assert returns[0] == returns[1]


def test_stages_one_by_one_make_the_same_run(debug_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    assert reverie("collect", "debug", "--run", path, "--quiet").returncode == 0
    for verb in ("vision", "encode", "memory", "controller"):
        done = reverie(verb, "--run", path, "--json", "--quiet")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["status"] == "done"
    for name in ARTEFACTS:
        assert all(tensor.equal(load(debug_run / name)[0][key]) for key, tensor in load(path / name)[0].items())


def test_a_stage_without_what_it_needs_says_what_to_run(tmp_path: Path) -> None:
    done = reverie("vision", "debug", "--run", tmp_path / "run")
    assert done.returncode == 1
    assert "has not finished its stage collect: run `reverie collect --run" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_another_setting_for_an_existing_run_is_refused(debug_run: Path) -> None:
    done = reverie("train", "--run", debug_run, "--set", "vision.net.z_size=9")
    assert done.returncode == 2
    assert "was made with vision.net.z_size = 8, not 9: choose another --run" in done.stderr


def test_a_larger_budget_goes_on_from_where_the_run_ended(debug_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(debug_run, path)
    first = (path / "evolution/log.csv").read_text().splitlines()
    done = reverie("train", "--run", path, "--json", "--quiet", "--set", "controller.search.generations=6")
    assert done.returncode == 0, done.stderr
    assert_complete(path)
    longer = (path / "evolution/log.csv").read_text().splitlines()
    assert len(first) == 1 + 4
    assert len(longer) == 1 + 6
    assert longer[:5] == first
    assert json.loads(done.stdout)["stages"]["controller"]["facts"]["generations"] == 6


def test_two_processes_do_not_work_on_one_run(debug_run: Path) -> None:
    with RunFolder.open(debug_run).locked():
        done = reverie_in_a_process("train", "--run", debug_run, "--quiet")
    assert done.returncode == 1
    assert "is in use by another process" in done.stderr
