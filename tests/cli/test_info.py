"""`reverie info`."""

import json
import re
from pathlib import Path

import pytest

from reverie.checkpoint import file_sha256
from reverie.cli.main import main
from reverie.run.folder import RunFolder
from tests.processes import python


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


def test_every_file_that_is_not_what_was_written_has_a_line(
    tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["info", str(tiny_run.path), "--verify", "--quiet"]
    assert main(words) == 0
    assert "files are what was written" in capsys.readouterr().out
    (tiny_run.rollouts / "episode_000003.npz").write_bytes(b"")
    (tiny_run.latents / "rew.npy").unlink()
    (tiny_run.evolution / "log.csv").write_text("generation\n1\n")
    assert main(words) == 1
    captured = capsys.readouterr()
    lines = sorted(captured.out.splitlines())
    assert len(lines) == 3
    for name, line in zip(("log.csv", "rew.npy", "episode_000003.npz"), lines, strict=True):
        assert name in line
        assert "reverie " in line, "the cure"
    assert re.search(r"^reverie info: 3 of the \d+ files of .* are not what was written$", captured.err.strip())
    assert main([*words, "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["faults"]) == 3


LOADED = """
import contextlib, sys
from reverie.cli.main import main

def loaded(*words):
    with contextlib.redirect_stdout(sys.stderr):
        assert main(words) == 0
    print(*(name for name in heavy if name in sys.modules))

run, *heavy = sys.argv[1:]
loaded("info", run, "--quiet")
loaded("evaluate", run, "--tracks", "1", "--renderer", "fast", "--workers", "0", "--quiet")
"""


def test_it_loads_no_more_than_it_uses(tiny_run: RunFolder) -> None:
    """In a process of its own: here all is loaded. Torch's compiler, with what it stands on, costs as much as torch."""
    heavy = ("torch._dynamo", "sympy", "scipy.stats", "matplotlib", "Box2D", "numba")
    after_info, after_evaluate = python("-W", "ignore", "-c", LOADED, tiny_run.path, *heavy).splitlines()
    assert after_info.split() == []
    assert set(after_evaluate.split()) == {"Box2D", "numba"}
