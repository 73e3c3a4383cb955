"""`reverie pack`, and every verb that reads what it writes."""

import json
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch

from reverie.models.files import agent_folder
from reverie.models.packed import remove_unpacked
from reverie.run import settings
from reverie.run.evaluations import kept
from reverie.run.folder import RunFolder
from reverie.run.ship import copy_bare_agent
from reverie.studies.report_words import rerun
from reverie.training.controller.rollouts import agent_of
from tests.cli.conftest import Done, reverie, reverie_in_a_process


def packed(run: RunFolder, folder: Path, *options: str) -> Path:
    path = folder / "agent.zip"
    done = reverie("pack", run.path, "--out", path, *options)
    assert done.returncode == 0, done.stderr
    return path


def said(done: Done) -> dict:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_acts_as_the_run_does(tiny_run: RunFolder, tmp_path: Path) -> None:
    path = packed(tiny_run, tmp_path)
    frames = np.random.default_rng(0).integers(0, 256, (5, 2, 64, 64, 3), np.uint8)
    acts = []
    for run in (tiny_run, RunFolder.open(path)):
        agent, params = agent_of(run)
        state, rew = agent.initial_state(2), np.zeros(2, np.float32)
        drive = []
        for obs in frames:
            act, state = agent.act(obs, rew, torch.from_numpy(np.stack([params] * 2)), state)
            drive.append(act)
        acts.append(np.stack(drive))
    assert np.array_equal(*acts)
    assert len(np.unique(acts[0])) > 2


def test_every_verb_reads_it(tiny_run: RunFolder, tmp_path: Path) -> None:
    path = packed(tiny_run, tmp_path)
    for name in ("evaluate", "watch"):
        options = ("--tracks", "2", "--workers", "0") if name == "evaluate" else ("--track", "1")
        ours, theirs = (
            said(reverie(name, run, *options, "--json", "--quiet", cwd=tmp_path)) for run in (path, tiny_run.path)
        )
        assert ours["run"] == str(path)
        for key in ("returns", "frames", "decisions", "ret"):
            assert ours.get(key) == theirs.get(key)
    assert (tmp_path / "agent_track_1.mp4").stat().st_size > 1000
    found = said(reverie("info", path, "--json", "--quiet"))
    assert found["verified"] == ["vision", "memory", "controller", "evaluate"]
    assert found["evaluation"]["mean"] == 800
    assert reverie("dream", path, "--seconds", "0.5", "--quiet", cwd=tmp_path).returncode == 0
    assert reverie("fork", path, tmp_path / "new").returncode == 2
    assert reverie("train", "--run", path).returncode == 2


def test_its_dream_is_the_runs_dream(tiny_run: RunFolder, tmp_path: Path) -> None:
    path = packed(tiny_run, tmp_path)
    seen = []
    for run in (tiny_run.path, path):
        env = gymnasium.make("reverie.dream:reverie/Dream-v0", run=str(run))
        obs, _ = env.reset(seed=3)
        seen.append([obs, env.step(np.zeros(3, np.float32))[0]])
    assert np.array_equal(seen[0], seen[1])


def test_the_same_agent_gives_the_same_bytes(tiny_run: RunFolder, tmp_path: Path) -> None:
    first = packed(tiny_run, tmp_path).read_bytes()
    moved = RunFolder.open(shutil.copytree(tiny_run.path, tmp_path / "elsewhere"))
    (moved.path / "pictures").mkdir()
    assert packed(moved, tmp_path).read_bytes() == first
    again = reverie("pack", tmp_path / "agent.zip", "--out", tmp_path / "again.zip")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again.zip").read_bytes() == first
    with zipfile.ZipFile(tmp_path / "agent.zip") as archive:
        assert {name.rpartition(".")[2] for name in archive.namelist()} == {
            *("md", "SHA256SUMS", "toml", "json", "safetensors"),
        }
        told = b"".join(archive.read(name) for name in archive.namelist() if not name.endswith(".safetensors"))
    assert str(tmp_path).encode() not in told, "a path of the machine that made it"


def test_a_report_of_it_says_where_its_recipe_is(tiny_run: RunFolder, tmp_path: Path) -> None:
    tiny_run.save_recipe(settings.load(str(tiny_run.path / "recipe.toml"), ["name=mine"]))
    run = RunFolder.open(packed(tiny_run, tmp_path))
    _, unpack, train, *_ = rerun(run).splitlines()
    assert unpack == f"python -m zipfile -e {tmp_path}/agent.zip agent_recipe"
    assert train == "reverie train agent_recipe/recipe.toml --run runs/again"
    subprocess.run([sys.executable, *shlex.split(unpack)[1:]], cwd=tmp_path, check=True)
    assert settings.load(str(tmp_path / "agent_recipe" / "recipe.toml")).name == "mine"


def test_what_was_measured_since_goes_along(tiny_run: RunFolder, tmp_path: Path) -> None:
    options = ("--workers", "0", "--quiet")
    assert reverie("evaluate", tiny_run.path, "--tracks", "5", *options).returncode == 0
    otherwise = ("--challenge", "blob", "--renderer", "fast", "--tracks", "2")
    assert reverie("evaluate", tiny_run.path, *otherwise, *options).returncode == 0
    run = RunFolder.open(packed(tiny_run, tmp_path))
    found = [(one["num_tracks"], one["renderer"], one["challenge"]) for one in kept(run)]
    assert found == [(4, "gymnasium", None), (2, "fast", "blob"), (5, "gymnasium", None)]
    card = (run.path / "README.md").read_text()
    assert "| 5 (0 to 4) | gymnasium |  |" in card
    assert "| 2 (0 to 1) | fast | blob |" in card


def test_its_card(tiny_run: RunFolder, tmp_path: Path) -> None:
    card = (agent_folder(packed(tiny_run, tmp_path, "--license", "CC-BY-4.0")) / "README.md").read_text()
    assert card.startswith('---\nlicense: "CC-BY-4.0"\nlibrary_name: reverie\npipeline_tag: reinforcement-learning\n')
    headings = [line[3:] for line in card.splitlines() if line.startswith("## ")]
    assert headings == [
        "What it is",
        "How it was trained",
        "What it scores",
        "Limits",
        "Licence",
        "How to use it",
        "How to make it again",
        "How to cite",
    ]
    assert "scores 800 on average, with a 95% interval of 670 to 930" in card
    assert "| 4 (0 to 3) | gymnasium |  | 800.0 | 670 to 930 |" in card
    assert "1,056 frames of the simulator" in card
    assert "reverie train debug --run runs/again --set env.max_frames=24" in card
    header = card.split("---\n")[1].splitlines()
    index = json.loads(next(line for line in header if line.startswith("model-index")).partition(": ")[2])
    assert index[0]["results"][0]["metrics"][0]["value"] == 800


def test_an_agent_that_was_not_measured(tiny_run: RunFolder, tmp_path: Path) -> None:
    tiny_run.forget("evaluate")
    run = RunFolder.open(packed(tiny_run, tmp_path))
    card = (run.path / "README.md").read_text()
    assert "was not measured" in card
    assert "model-index" not in card
    assert "Nobody has said under which licence it is" in card
    assert kept(run) == []


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--out", "agent.tar"], 2, "ends in .zip"),
        (["--out", "folder.zip"], 2, "is a folder"),
        (["--license", "my: own\nwords"], 2, "as SPDX has them"),
    ],
)
def test_mistakes(tiny_run: RunFolder, tmp_path: Path, options: list[str], code: int, says: str) -> None:
    (tmp_path / "folder.zip").mkdir()
    done = reverie("pack", tiny_run.path, *options, cwd=tmp_path)
    assert done.returncode == code
    assert says in done.stderr
    assert not (tmp_path / "agent.zip").exists()


def test_no_agent_is_packed_that_is_not_whole(tiny_run: RunFolder, tmp_path: Path) -> None:
    tiny_run.controller.write_bytes(tiny_run.vision.read_bytes())
    damaged = reverie("pack", tiny_run.path, cwd=tmp_path)
    tiny_run.forget("controller")
    missing = reverie("pack", tiny_run.path, cwd=tmp_path)
    assert (damaged.returncode, missing.returncode) == (1, 1)
    assert "controller.safetensors is damaged" in damaged.stderr
    assert "has not finished its stage controller" in missing.stderr
    assert not (tmp_path / "agent.zip").exists()


def test_what_is_no_agent_is_refused_in_one_line(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("../evil.py", "print()")
    for verb in ("watch", "evaluate", "info", "dream", "report", "inspect", "play"):
        done = reverie(verb, tmp_path / "x.zip", cwd=tmp_path)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert "'../evil.py' does not belong in it" in done.stderr


def test_its_folder_goes_with_the_process(tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tiny_run, tmp_path)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    assert said(reverie_in_a_process("info", path, "--json", "--quiet"))["run"] == str(path)
    assert not list((tmp_path / "temporary").iterdir())


def test_a_bare_agent_has_no_data(tiny_run: RunFolder, tmp_path: Path) -> None:
    copy_bare_agent(tiny_run, tmp_path / "bare")
    assert sorted(path.name for path in (tmp_path / "bare").iterdir()) == [
        "controller.safetensors",
        "dream.safetensors",
        "evaluation.json",
        "manifest.json",
        "memory.safetensors",
        "recipe.toml",
        "vision.safetensors",
    ]
    remove_unpacked()


def test_scores_go_with_it_that_were_measured_without_the_stage(tiny_run: RunFolder, tmp_path: Path) -> None:
    tiny_run.forget("evaluate")
    assert reverie("evaluate", tiny_run.path, "--tracks", "2", "--workers", "0", "--quiet").returncode == 0
    [ours] = kept(RunFolder.open(tiny_run.path))
    [theirs] = kept(RunFolder.open(packed(RunFolder.open(tiny_run.path), tmp_path)))
    assert theirs["returns"] == ours["returns"]
