"""The run folder: what it refuses, forgets and ships."""

import json
from pathlib import Path

import pytest

from reverie.errors import UserError
from reverie.run_folder import RunFolder, StageClock


def test_shipped_agent_is_whole_and_has_no_data(tiny_run: RunFolder, tmp_path: Path) -> None:
    run = tiny_run
    (run.evolution / "state.safetensors").write_bytes(b"large")
    run.manifest["stages"]["controller"]["files"]["evolution/state.safetensors"] = "0" * 64
    run.copy_agent(tmp_path / "shipped")
    shipped = RunFolder.open(tmp_path / "shipped")
    assert shipped.config == run.config
    for stage in ("vision", "memory", "controller", "evaluate"):
        assert shipped.is_done(stage)
        shipped.verify(stage)
    names = {path.name for path in (tmp_path / "shipped").rglob("*") if path.is_file()}
    assert {"vision.safetensors", "memory.safetensors", "controller.safetensors", "log.csv"} <= names
    assert not names & {"state.safetensors", "frames.npy", "index.jsonl", "mu.npy", "vision.optimizer.safetensors"}


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


def test_half_written_files_of_a_killed_process_are_removed(tiny_run: RunFolder) -> None:
    left = [tiny_run.path / ".metrics.jsonl.7-7.tmp", tiny_run.rollouts / ".00000.npz.7-7.tmp"]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")
    with tiny_run.locked():
        assert not any(path.exists() for path in left)
    assert tiny_run.vision.exists()


def test_time_adds_up_over_sittings(tiny_run: RunFolder) -> None:
    tiny_run.manifest["stages"]["vision"]["seconds"] = 100.0
    clock = StageClock(tiny_run, "vision")
    clock.beat()
    manifest = json.loads((tiny_run.path / "manifest.json").read_text())
    assert manifest["stages"]["vision"]["status"] == "running"
    assert 100 <= manifest["stages"]["vision"]["seconds"] < 110
