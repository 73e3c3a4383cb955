"""`reverie info`."""

import json
from pathlib import Path

import pytest

from reverie.checkpoint import file_sha256
from reverie.cli.main import main
from reverie.run.folder import RunFolder


def test_says_what_is_there(tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]):
    assert main(["info", str(tiny_run.path), "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["recipe"] == "debug"
    assert found["verified"] == ["collect", "vision", "encode", "memory", "controller", "evaluate"]
    assert found["bytes"]["vision.safetensors"] == tiny_run.vision.stat().st_size
    assert found["bytes"]["rollouts"] == sum(file.stat().st_size for file in tiny_run.rollouts.iterdir())
    assert found["sha256"]["memory.safetensors"] == file_sha256(tiny_run.memory)
    assert found["precision"] in ("fp32", "bf16")
    assert found["versions"].keys() >= {"python", "torch", "gymnasium"}


def test_for_people(tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]):
    assert main(["info", str(tiny_run.path), "--quiet"]) == 0
    text = capsys.readouterr().out
    assert "800.0, 95% interval [670, 930]" in text
    assert file_sha256(tiny_run.vision)[:12] in text
    assert "not complete" in text


@pytest.mark.parametrize(
    "file", ["vision.safetensors", "evolution/state.safetensors", "rollouts/episode_000004.npz", "latents/mu.npy"]
)
def test_damage_is_found(tiny_run: RunFolder, file: str, capsys: pytest.CaptureFixture[str]):
    path: Path = tiny_run.path / file
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(data)
    assert main(["info", str(tiny_run.path), "--quiet"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert str(path) in captured.err
    assert "damaged" in captured.err
    assert captured.err.count("\n") == 1


def test_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["info", str(tmp_path)]) == 1
    assert "there is no run" in capsys.readouterr().err
