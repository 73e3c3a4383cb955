"""Two processes that want the same run, and a clock that jumps."""

import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from reverie.checkpoint import file_sha256
from reverie.run.folder import RunFolder
from reverie.run.lock import locked
from reverie.training.pipeline import run_stages
from tests.cli.conftest import reverie
from tests.reliability.damage import content
from tests.reliability.runs import command, made

WRITERS = ("train", "collect", "vision", "encode", "memory", "controller")


@pytest.mark.parametrize("verb", WRITERS)
def test_a_run_that_another_process_works_on_is_left_alone(verb: str, tiny_run: RunFolder) -> None:
    """Also where what is finished would be thrown away."""
    with locked(tiny_run.path):
        before = content(tiny_run.path)
        done = reverie(verb, "--run", tiny_run.path, "--again", "--quiet")
        assert content(tiny_run.path) == before
    assert done.returncode == 1
    assert done.stderr.endswith(f"{tiny_run.path} is in use by another process: wait, or choose another --run\n")
    assert done.stderr.count("\n") == 1


def test_who_only_reads_is_not_kept_waiting(tiny_run: RunFolder, tmp_path: Path) -> None:
    with locked(tiny_run.path):
        assert reverie("info", tiny_run.path, "--verify", "--quiet").returncode == 0
        assert reverie("watch", tiny_run.path, "--output", tmp_path / "x.mp4", "--quiet").returncode == 0
        done = reverie("evaluate", tiny_run.path, "--tracks", "1", "--workers", "0", "--quiet")
    assert done.returncode == 0
    assert "is not kept: " in done.stderr
    assert "in use by another process" in done.stderr


@pytest.mark.skipif(not os.environ.get("REVERIE_SOAK"), reason="trains three runs: in `make soak`")
def test_two_that_begin_the_same_run_at_once_make_it_once(tmp_path: Path) -> None:
    both = [subprocess.Popen(command(tmp_path / "run", 0, 0), stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[1] for process in both]
    codes = [process.returncode for process in both]
    assert min(codes) == 0, said
    for code, text in zip(codes, said, strict=True):
        assert code == 0 or (code == 1 and text.count("\n") == 1), text
    subprocess.run(command(tmp_path / "alone", 0, 0), check=True)
    assert made(tmp_path / "run") == made(tmp_path / "alone")


def test_a_clock_that_jumps_changes_nothing(
    tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By decades, forward and back, at each look: what is made is the same, and goes on afterwards."""
    other, chance = RunFolder.open(shutil.copytree(tiny_run.path, tmp_path / "other")), random.Random(0)
    stages = ("encode", "memory")
    run_stages(tiny_run, stages, again=True, quiet=True)
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: chance.uniform(0, 4e9))
        patch.setattr(time, "time_ns", lambda: int(chance.uniform(0, 4e18)))
        run_stages(other, stages, again=True, quiet=True)
    assert capsys.readouterr().err == ""
    assert file_sha256(other.memory) == file_sha256(tiny_run.memory)
    assert other.stage("memory")["seconds"] < 10**6
    assert RunFolder.open(other.path).is_done("memory")
