"""The learner `imagine` as a stage of a run."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from reverie.checkpoint import file_sha256, load
from reverie.dream.moments import DREAM, load_moments, save_moments
from reverie.errors import UserError
from reverie.metrics import Metrics
from reverie.models.files import MEMORY, load_controller, load_memory, numbered, save_memory
from reverie.run import settings
from reverie.run.folder import RunFolder
from reverie.run.imagine import ActorConfig, CriticConfig, ImagineConfig
from reverie.run.search import FinalsConfig, StartConfig
from reverie.training.controller import curve
from reverie.training.controller.imagine import learn as module
from reverie.training.controller.imagine.kept import Imagination
from reverie.training.controller.search_world import SearchWorld
from reverie.training.controller.stage import train_controller
from reverie.training.controller.validation import Validation
from reverie.training.pictures import draw_learning_curve
from reverie.training.summary import summarise
from reverie.workers.inline import InlineWorkers

SETTINGS = ImagineConfig(
    steps=6,
    batch=8,
    horizon=3,
    eval_every=2,
    actor=ActorConfig(begins_at=1),
    critic=CriticConfig(hidden_size=8, num_bins=15),
)


class Killed(BaseException):
    """Not an Exception, so that nothing tidies up after it."""


@pytest.fixture
def run(tiny_run: RunFolder) -> RunFolder:
    """A run whose C is yet to be learned, in dreams."""
    tiny_run.forget("controller")
    change(tiny_run, SETTINGS)
    return tiny_run


def change(run: RunFolder, imagine: ImagineConfig, start: StartConfig | None = None) -> None:
    stage = run.config.controller
    stage = replace(stage, learner="imagine", imagine=imagine)
    run.config = replace(
        run.config, controller=replace(stage, search=replace(stage.search, start=start or stage.search.start))
    )


def train(run: RunFolder) -> None:
    with Metrics(run.path, tensorboard=False) as metrics:
        train_controller(run, InlineWorkers(), metrics, quiet=True)


def logged(run: RunFolder) -> list[dict]:
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "time"} for line in lines]


def rows(run: RunFolder) -> list[list[str]]:
    """log.csv without its times."""
    table = [line.split(",") for line in (run.evolution / "log.csv").read_text().splitlines()]
    timed = [table[0].index(name) for name in ("hours", "seconds")]
    return [[cell for i, cell in enumerate(row) if i not in timed] for row in table]


def test_what_is_no_number_is_not_driven(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    learn, validate, driven = Imagination.learn, module.validate, []

    def driving(world: SearchWorld, params: np.ndarray, finals: FinalsConfig) -> Validation:
        driven.append(params)
        return validate(world, params, finals)

    def poisoned(kept: Imagination):
        values = learn(kept)
        if kept.step == 3:
            kept.learner.actor.coordinates.data[0] = torch.nan
            monkeypatch.setattr(kept.learner, "_require_numbers", lambda *_: None)  # on a GPU, few steps are looked at
        return values

    monkeypatch.setattr(Imagination, "learn", poisoned)
    monkeypatch.setattr(module, "validate", driving)
    with pytest.raises(UserError, match="the weights became no number before step 4: lower"):
        train(run)
    assert len(driven) == 2  # before the first step, and after the second
    assert np.isfinite(driven).all()


def test_it_makes_a_controller_like_any_other_and_says_what_that_took(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curve, "draw_learning_curve", draw_learning_curve)
    train(run)
    controller, params = load_controller(run.controller)
    assert controller.config == run.config.controller.model
    assert params.any()
    assert run.is_done("controller")
    run.verify("controller")
    facts = run.stage("controller")
    assert facts["steps"] == 6
    assert facts["dreamt"] == 6 * 8 * 3
    assert [row[0] for row in rows(run)] == ["step", "0", "2", "4", "6"]
    assert facts["frames"] == (4 + 5) * 2 * 24  # four evaluations, four finalists and their mean: on two tracks each
    assert summarise(run)["stages"]["controller"]["facts"]["dreamt"] == 144
    assert (run.pictures / "learning_curve.png").exists()
    for name in ("best", "current"):
        load_controller(run.evolution / f"{name}.safetensors")
    keys = {key for line in logged(run) for key in line}
    assert {"controller/train/return", "controller/train/std", "controller/validation/mean_return"} <= keys


@pytest.mark.parametrize("kill", [1, 4, 6])  # of one save after every step
def test_killed_after_a_checkpoint_it_ends_with_the_same(
    kill: int, run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = RunFolder.open(shutil.copytree(run.path, tmp_path / "whole"))
    whole.config = run.config
    train(whole)
    monkeypatch.setattr(module, "SNAPSHOT_SECONDS", -1.0)
    monkeypatch.setattr(Imagination, "save", dies_after(kill, Imagination.save))
    with pytest.raises(Killed):
        train(run)
    monkeypatch.undo()
    again = RunFolder.open(run.path)
    again.config = run.config
    train(again)
    for path in (run.controller, run.evolution / "imagine.safetensors"):
        mine, theirs = load(path)[0], load(whole.path / path.relative_to(run.path))[0]
        assert mine.keys() == theirs.keys()
        assert all(mine[key].equal(theirs[key]) for key in mine), path.name
    assert rows(again) == rows(whole)
    assert logged(again) == logged(whole)


def dies_after(number: int, save: Callable[[Imagination], None]) -> Callable[[Imagination], None]:
    saves = 0

    def saved(self: Imagination) -> None:
        nonlocal saves
        save(self)
        saves += 1
        if saves == number:
            raise Killed

    return saved


def test_it_begins_at_another_learners_result_and_another_learner_at_its(run: RunFolder, tmp_path: Path) -> None:
    change(run, replace(SETTINGS, steps=1, actor=ActorConfig(begins_at=5)))
    train(run)
    first = tmp_path / "first.safetensors"
    shutil.copy(run.controller, first)
    run.forget("controller")
    start = StartConfig(init_from=str(first), directions=4)
    change(run, replace(SETTINGS, steps=1, actor=ActorConfig(begins_at=5)), start)
    train(run)
    assert np.array_equal(load_controller(run.controller)[1], load_controller(first)[1])  # C was not moved
    run.forget("controller")
    change(run, SETTINGS, start)
    run.config = replace(run.config, controller=replace(run.config.controller, learner="search"))
    train(run)
    assert run.stage("controller")["generations"] == 4


def test_in_a_world_of_dreams_it_drives_no_frame(run: RunFolder) -> None:
    """Moments that M was not fitted on are the first of the bank; of their dreams, the judge of two M's speaks."""
    for member in (0, 1):
        memory, path = load_memory(run.memory), run.path / numbered(MEMORY, member)
        save_memory(path, memory, vision_sha256=file_sha256(run.vision))
        moments, world = load_moments(run.dream, run.memory)
        moments = replace(moments, held_out=torch.arange(len(moments)) < 2)
        save_moments(run.path / numbered(DREAM, member), moments, world, path)
    dream = replace(run.config.controller.dream, judge=True, decisions=5)
    stage = replace(run.config.controller, world="dream", dream=dream)
    run.config = replace(run.config, memory=replace(run.config.memory, members=2), controller=stage)
    train(run)
    facts, table = run.stage("controller"), rows(run)
    assert (facts["frames"], facts["selecting_frames"], facts["measuring_frames"]) == (0, 0, 0)
    assert 6 * 8 * 3 < facts["dreamt"] <= 6 * 8 * 3 + (2 * 4 * 2 + 5 * 2) * 5  # judge and own, and the finals
    assert table[0][-2:] == ["eval_mean_return", "eval_own_return"]
    assert all(row[-2] and row[-1] for row in table[1:])


def test_more_steps_go_on_where_it_ended(run: RunFolder, tmp_path: Path) -> None:
    whole = RunFolder.open(shutil.copytree(run.path, tmp_path / "whole"))
    whole.config = run.config
    train(whole)
    change(run, replace(SETTINGS, steps=4))
    train(run)
    change(run, SETTINGS)
    train(run)
    assert rows(run) == rows(whole)
    assert load(run.controller)[0]["params"].equal(load(whole.controller)[0]["params"])


def test_a_memory_that_knows_no_rewards_is_refused(run: RunFolder) -> None:
    with pytest.raises(UserError, match=r"controller.learner = imagine learns by the rewards .*reward.head = two_hot"):
        settings.load("debug", ["controller.learner=imagine", "memory.model.reward.head=none"])
    memory = load_memory(run.memory)
    config = replace(memory.config, reward=replace(memory.config.reward, head="none"))
    save_memory(run.memory, type(memory)(config, memory.z_size, memory.action_size))
    with pytest.raises(UserError, match="does not predict rewards"):
        train(run)
    assert run.stage("controller")["status"] == "new"


def test_deviations_out_of_order_are_refused() -> None:
    with pytest.raises(UserError, match=r"std = 0.3 must lie between std_min = 0.4 and std_max = 1"):
        settings.load("debug", ["controller.imagine.actor.std_min=0.4"])
