"""The search for C: what its options do, and which controller is kept."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reverie import checkpoint
from reverie.checkpoint import file_sha256
from reverie.cli.main import main
from reverie.errors import UserError
from reverie.metrics import Metrics
from reverie.models.files import load_controller, save_controller
from reverie.reading import read_csv
from reverie.rollout import Outcome, RolloutTask
from reverie.run.folder import RunFolder
from reverie.seeding import VALIDATION_TRACKS
from reverie.training.controller import curve, rollouts
from reverie.training.controller.search import Evolution, first_params
from reverie.training.controller.stage import train_controller
from reverie.training.pictures import draw_learning_curve
from reverie.workers.inline import InlineWorkers


def with_settings(run: RunFolder, **settings: Any) -> RunFolder:
    """The run before its stage controller, which is to be done with other settings of the search: of a group those that
    are given as a dict."""
    run.forget("controller")
    search = run.config.controller.search
    changed = {key: replace(getattr(search, key), **x) if isinstance(x, dict) else x for key, x in settings.items()}
    run.config = replace(run.config, controller=replace(run.config.controller, search=replace(search, **changed)))
    return run


def evolve(run: RunFolder) -> Evolution:
    with Metrics(run.path, tensorboard=False) as metrics:
        train_controller(run, InlineWorkers(), metrics, quiet=True)
    return Evolution(run, load_controller(run.controller)[0])


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> list[RolloutTask]:
    """What is driven, on a road where a return is the first weight: the larger, the better; each drives 7 frames."""
    driven: list[RolloutTask] = []

    def rollout_all(task: RolloutTask, *_: object, **__: object) -> list[Outcome]:
        driven.append(task)
        return [Outcome(float(params[0]), frames=7, decisions=7, terminated=False) for params in task.params]

    monkeypatch.setattr(rollouts, "rollout_all", rollout_all)
    return driven


def test_the_kept_controller_is_chosen_on_tracks_that_no_evaluation_has_seen(
    tiny_run: RunFolder, tasks: list[RolloutTask]
) -> None:
    run = with_settings(
        tiny_run, generations=6, finals={"eval_every": 2, "eval_tracks": 3, "finalists": 2, "average": 2, "tracks": 5}
    )
    evolution = evolve(run)
    assert len(evolution.evaluated) == 3
    *_, last = tasks
    assert set(last.seeds) == set(VALIDATION_TRACKS[3:8])
    assert last.stall_decisions is last.max_decisions is None
    finalists = last.params.reshape(4, 5, -1)[:, 0]
    best = [evolution.evaluated[i] for i in np.argsort(evolution.scores)[::-1][:2]]
    scores = np.array(evolution.scores)
    means = [
        np.mean(evolution.evaluated[i : i + 2], 0) for i in sorted(range(2), key=lambda i: -sum(scores[i : i + 2]))
    ]
    expected = [*best, *means]
    np.testing.assert_allclose(finalists, np.array(expected), rtol=1e-6)
    kept = load_controller(run.controller)[1]
    np.testing.assert_array_equal(kept, finalists[finalists[:, 0].argmax()])
    assert run.stage("controller")["validation_score"] == pytest.approx(float(finalists[:, 0].max()), abs=1e-3)
    assert run.stage("controller")["frames"] == evolution.total("frames") + 4 * 5 * 7


def test_means_of_centers_in_a_row_are_finalists_by_their_scores(tiny_run: RunFolder, tasks: list[RolloutTask]) -> None:
    run = with_settings(tiny_run, generations=10, finals={"eval_every": 2, "finalists": 2, "tracks": 5, "average": 3})
    evolution = evolve(run)
    finalists = tasks[-1].params.reshape(4, 5, -1)[:, 0]
    scores = np.array(evolution.scores)
    first, second = sorted(range(3), key=lambda i: -sum(scores[i : i + 3]))[:2]
    best = [evolution.evaluated[i] for i in np.argsort(scores)[::-1][:2]]
    expected = [*best, *(np.mean(evolution.evaluated[i : i + 3], 0) for i in (first, second))]
    np.testing.assert_allclose(finalists, np.array(expected), rtol=1e-6)
    np.testing.assert_array_equal(load_controller(run.controller)[1], finalists[finalists[:, 0].argmax()])


def test_best_and_current_are_kept_as_controllers(tiny_run: RunFolder, tasks: list[RolloutTask]) -> None:  # noqa: ARG001
    run = with_settings(tiny_run, generations=5, finals={"eval_every": 2})
    evolution = evolve(run)
    for name, params in (("best", evolution.best), ("current", evolution.strategy.center)):
        kept = load_controller(run.evolution / f"{name}.safetensors")[1]
        np.testing.assert_array_equal(kept, params.astype(np.float32))


def test_the_curve_is_drawn_whenever_evaluations_have_doubled_and_at_the_end(
    tiny_run: RunFolder,
    tasks: list[RolloutTask],  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[int] = []

    def draw(run: RunFolder) -> None:
        scores = read_csv(run.evolution / "log.csv")["eval_mean_return"]
        drawn.append(int(np.isfinite(scores).sum()))

    monkeypatch.setattr(curve, "draw_learning_curve", draw)
    evolve(with_settings(tiny_run, generations=9, finals={"eval_every": 1}))
    assert drawn == [2, 4, 8, 9]
    drawn.clear()
    evolve(with_settings(tiny_run, generations=4, finals={"eval_every": 2}))
    assert drawn == [2]
    drawn.clear()
    tiny_run.reopen("controller")
    search = tiny_run.config.controller.search
    longer = replace(tiny_run.config.controller, search=replace(search, generations=9))
    tiny_run.config = replace(tiny_run.config, controller=longer)
    evolve(tiny_run)
    assert drawn == [3, 5], "where it goes on with 2, after generation 6; the 4 of generation 8 are fewer than twice 3"


def test_the_curve_shows_a_search_that_was_evaluated_once(
    tiny_run: RunFolder,
    tasks: list[RolloutTask],  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(curve, "draw_learning_curve", draw_learning_curve)
    evolve(with_settings(tiny_run, generations=1, finals={"eval_every": 1}))
    assert (tiny_run.pictures / "learning_curve.png").stat().st_size > 10_000


def test_retraining_goes_back_to_the_best(tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    run = with_settings(tiny_run, generations=4, finals={"eval_every": 2, "retrain": True})
    scores = iter([50.0, 20.0])
    centers: list[np.ndarray] = []

    def rollout_all(task: RolloutTask, *_: object, **__: object) -> list[Outcome]:
        value = next(scores, 0.0) if len(set(map(bytes, task.params))) == 1 else 0.0  # an evaluation of one center
        if value:
            centers.append(task.params[0])
        return [Outcome(value + i, frames=7, decisions=7, terminated=False) for i in range(len(task.params))]

    monkeypatch.setattr(rollouts, "rollout_all", rollout_all)
    evolution = evolve(run)
    assert len(centers) == 2
    np.testing.assert_array_equal(evolution.strategy.center, evolution.evaluated[0])
    assert not np.array_equal(evolution.evaluated[1], evolution.evaluated[0])


def test_limits_of_training_do_not_hold_for_evaluations(tiny_run: RunFolder, tasks: list[RolloutTask]) -> None:
    run = with_settings(tiny_run, generations=3, finals={"eval_every": 1}, stall_decisions=4, cap_length=2.0)
    evolve(run)
    training, evaluations = tasks[0:6:2], tasks[1:6:2]
    assert [task.stall_decisions for task in training] == [4, 4, 4]
    repeat = run.config.env.action_repeat
    assert [task.max_decisions for task in training] == [None, -(-14 // repeat), -(-14 // repeat)]
    assert all(task.stall_decisions is task.max_decisions is None for task in evaluations)


def test_halves_of_the_population_drive_the_same_tracks(tiny_run: RunFolder, tasks: list[RolloutTask]) -> None:
    run = with_settings(tiny_run, generations=1, tracks={"num": 2, "common": "halves"})
    evolve(run)
    seeds = np.array(tasks[0].seeds).reshape(-1, 2)
    half = len(seeds) // 2
    assert (seeds[:half] == seeds[half:]).all()
    assert len(np.unique(seeds)) == 2 * half


@pytest.mark.parametrize("strategy", ["pepg", "openes", "ga"])
def test_other_strategies_continue_bit_for_bit(strategy: str, tiny_run: RunFolder, tmp_path: Path) -> None:
    population = replace(getattr(tiny_run.config.controller.search.strategy, strategy), population=4)
    settings = {"generations": 4, "finals": {"eval_every": 2}, "tracks": {"num": 2}, "race": 0.5}
    settings |= {"strategy": {"name": strategy, strategy: population}}
    cut = RunFolder.open(shutil.copytree(tiny_run.path, tmp_path / "cut"))
    whole = evolve(with_settings(tiny_run, **settings))
    evolve(with_settings(cut, **settings | {"generations": 2}))
    cut.reopen("controller")
    cut.config = tiny_run.config
    continued = evolve(cut)
    np.testing.assert_array_equal(continued.strategy.center, whole.strategy.center)
    assert (tiny_run.controller).read_bytes() == cut.controller.read_bytes()


def belonging(run: RunFolder, path: Path, **changes: str) -> np.ndarray:
    """Writes a controller that was made for the run's V and M."""
    shape, params = load_controller(run.controller)
    params = params + 1
    made_with = {"vision_sha256": file_sha256(run.vision), "memory_sha256": file_sha256(run.memory)} | changes
    save_controller(path, shape, params, **made_with)
    return params


def test_a_search_begins_at_another_controller(tiny_run: RunFolder, tasks: list[RolloutTask], tmp_path: Path) -> None:
    params = belonging(tiny_run, tmp_path / "first.safetensors")
    run = with_settings(tiny_run, generations=1, start={"init_from": str(tmp_path / "first.safetensors")})
    evolve(run)
    np.testing.assert_allclose(tasks[0].params.mean(0), params, atol=0.3)  # sigma is 0.1
    (tmp_path / "first.safetensors").unlink()
    assert Evolution(run, load_controller(run.controller)[0]).generation == 1, "its state says where it began"


def test_a_controller_of_other_models_is_no_place_to_begin(tiny_run: RunFolder, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    belonging(tiny_run, path, memory_sha256="0" * 64)
    shape = load_controller(path)[0]
    run = with_settings(tiny_run, start={"init_from": str(path)})
    with pytest.raises(
        UserError, match=r"^controller.search.start.init_from: .*other.safetensors was not made for .*memory.saf"
    ):
        first_params(run, shape)
    with_settings(run, start={"init_from": "pretrained"})
    with pytest.raises(UserError, match="controller of another shape"):
        first_params(run, shape)
    with_settings(run, start={"init_from": str(tmp_path / "none")})
    with pytest.raises(UserError, match=r"^controller.search.start.init_from: .*none"):
        first_params(run, shape)


def test_init_from_on_the_command_line(
    tiny_run: RunFolder, tmp_path: Path, tasks: list[RolloutTask], capsys: pytest.CaptureFixture[str]
) -> None:
    belonging(tiny_run, tmp_path / "7.safetensors")
    command = ["controller", "--run", str(tiny_run.path), "--init-from", str(tmp_path / "7.safetensors"), "--quiet"]
    assert main(command) == 2, "the stage is done already, from another start"
    assert "controller.search.start.init_from" in capsys.readouterr().err
    assert main([*command, "--again", "--json", "--set", "controller.search.generations=1"]) == 0
    assert json.loads(capsys.readouterr().out)["generations"] == 1
    assert RunFolder.open(tiny_run.path).config.controller.search.start.init_from == str(tmp_path / "7.safetensors")
    assert len(tasks) == 3


def test_a_state_of_an_earlier_version_is_refused(tiny_run: RunFolder) -> None:
    path = tiny_run.evolution / "state.safetensors"
    tensors, meta = checkpoint.load(path)
    del tensors["space.origin"]
    checkpoint.save(path, {key: value.numpy() for key, value in tensors.items()}, meta)
    with pytest.raises(UserError, match="earlier version: begin the search again"):
        Evolution(tiny_run, load_controller(tiny_run.controller)[0])
