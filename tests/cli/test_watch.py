"""`reverie watch`."""

import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from reverie.checkpoint import file_sha256
from reverie.cli.main import main
from reverie.models.controller import Controller, ControllerConfig
from reverie.models.files import load_controller, save_controller
from reverie.run.folder import RunFolder
from reverie.training.pipeline import evaluate_run
from reverie.workers.make import make_workers


def test_video_of_the_drive_that_evaluate_scores(tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]):
    assert main(["watch", str(tiny_run.path), "--track", "3", "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    path = tiny_run.videos / "track_3.mp4"
    assert found["video"] == str(path)
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == found["frames"] == 24
    with make_workers(0) as workers:
        evaluation = evaluate_run(tiny_run, workers, num_tracks=1, first_seed=3, quiet=True)
    assert found["ret"] == pytest.approx(evaluation.mean, abs=1e-9)
    assert (found["frames"], found["decisions"]) == (evaluation.frames, evaluation.decisions)


def test_says_where_the_video_is(tiny_run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    output = tmp_path / "mine.mp4"
    assert main(["watch", str(tiny_run.path), "--output", str(output), "--quiet"]) == 0
    out = capsys.readouterr().out
    assert str(output) in out
    assert "24 frames" in out
    assert output.exists()
    assert not tiny_run.videos.exists()


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--window", "--output", "x.mp4"], 2, "leave out --output"),
        (["--output", "x.gif"], 2, "ends in .mp4"),
        (["--track", "-1"], 2, "--track -1: give 0 or more"),
    ],
)
def test_mistakes(tiny_run: RunFolder, options: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]):
    assert main(["watch", str(tiny_run.path), *options]) == code
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_a_run_without_an_agent(tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]):
    tiny_run.forget("controller")
    assert main(["watch", str(tiny_run.path)]) == 1
    assert "has not finished its stage controller" in capsys.readouterr().err


def test_the_search_can_be_watched_while_it_goes_on(tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]):
    current = tiny_run.path / "current.safetensors"
    shutil.copy(tiny_run.controller, current)
    tiny_run.forget("controller")
    command = ["watch", str(tiny_run.path), "--controller", str(current), "--json", "--quiet"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 24
    assert main(["evaluate", *command[1:], "--workers", "0", "--tracks", "2"]) == 0
    assert json.loads(capsys.readouterr().out)["run"] == f"{tiny_run.path}, current.safetensors"
    assert not tiny_run.evaluations.exists(), "what the run does not keep is not kept as its score"
    save_controller(current, Controller(ControllerConfig(), 3, 5), np.zeros(27))
    assert main(command) == 1
    assert "is not of" in capsys.readouterr().err


@pytest.mark.parametrize("part", ["vision", "memory"])
def test_a_controller_of_other_models_is_not_watched(
    part: str, tiny_run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    other = tmp_path / "other.safetensors"
    controller, params = load_controller(tiny_run.controller)
    made_for = {"vision_sha256": file_sha256(tiny_run.vision), "memory_sha256": file_sha256(tiny_run.memory)}
    save_controller(other, controller, params, **made_for | {f"{part}_sha256": "0" * 64})
    assert main(["watch", str(tiny_run.path), "--controller", str(other), "--quiet"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f"{other} was not made for {tiny_run.path / part}.safetensors: take a controller that was")
    assert not tiny_run.videos.exists()


def test_m_can_plan_instead_of_c(tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]):
    command = ["watch", str(tiny_run.path), "--plan", "--track", "3", "--json", "--quiet"]
    sets = ["--set", "samples=8", "--set", "horizon=2", "--set", "elites=2"]
    quietly = ["--workers", "0", "--json", "--quiet"]
    score = tiny_run.evaluation.read_bytes()
    assert main([*command, *sets]) == 0
    found = json.loads(capsys.readouterr().out)
    assert Path(found["video"]) == tiny_run.videos / "planned_3.mp4"
    assert main(["evaluate", str(tiny_run.path), "--plan", *sets, "--tracks", "1", "--first-seed", "3", *quietly]) == 0
    scored = json.loads(capsys.readouterr().out)
    assert scored["run"] == f"{tiny_run.path}, planned"
    assert scored["mean"] == pytest.approx(found["ret"], abs=1e-9)
    assert tiny_run.evaluation.read_bytes() == score, "the score of C stays as it is"
    tiny_run.forget("controller")
    assert main([*command, *sets]) == 0  # it needs no C
    assert json.loads(capsys.readouterr().out)["ret"] != found["ret"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--set", "samples=8"], "give --plan, too"),
        (["--plan", "--controller", "x.safetensors"], "leave out --controller, or --plan"),
        (["--plan", "--set", "sample=8"], "--plan: unknown key sample (did you mean samples?); it has samples, "),
        (["--plan", "--set", "samples=1"], "--plan: samples: input should be greater than or equal to 2 (given: 1)"),
        (["--plan", "--set", "elites=65"], "65 elites of 64 samples"),
        (["--plan", "--set", "members=random"], "needs an ensemble"),
    ],
)
def test_plans_that_make_no_sense(
    tiny_run: RunFolder, options: list[str], says: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["watch", str(tiny_run.path), *options]) in (1, 2)
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
