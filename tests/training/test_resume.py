"""A stage that is killed after a checkpoint and continued is the same as one that was not, in models and in logs."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from reverie import devices
from reverie.checkpoint import load
from reverie.errors import UserError
from reverie.metrics import Metrics
from reverie.models.discriminator import DiscriminatorConfig
from reverie.models.files import load_memory, load_vision
from reverie.models.mdn_rnn import Memory
from reverie.models.vae import Vae
from reverie.models.vae_gan import VaeGan, VaeGanConfig
from reverie.run.folder import RunFolder
from reverie.seeding import torch_seeded
from reverie.training import loop, pipeline
from reverie.training.controller import evolve
from reverie.training.controller.search import Evolution
from reverie.training.controller.stage import train_controller
from reverie.training.loop import Fit
from reverie.training.memory import train_memory
from reverie.training.pipeline import run_stages
from reverie.training.vision import train_vision
from reverie.types import LossAndMetrics
from reverie.workers.inline import InlineWorkers


class Killed(BaseException):
    """Not an Exception, so that nothing tidies up after it."""


def kill_after_save(owner: type, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies right after its `number`-th checkpoint; it makes one after every step."""
    original, saves = owner.save, 0  # pyright: ignore[reportAttributeAccessIssue] (both classes have it)

    def save(self: object) -> None:
        nonlocal saves
        original(self)
        saves += 1
        if saves == number:
            raise Killed

    monkeypatch.setattr(owner, "save", save)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(evolve, "SNAPSHOT_SECONDS", 0.0)


def count_steps(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Grows by an entry with every step that an optimiser takes."""
    original, taken = torch.optim.Adam.step, []

    def step(self: torch.optim.Adam, *args: Any) -> Any:
        taken.append(None)
        return original(self, *args)

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    return taken


def logged(run: RunFolder) -> list[dict]:
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "time"} for line in lines]


def fit(stage: str, run: RunFolder) -> None:
    run.forget(stage)
    with Metrics(run.path, tensorboard=False) as metrics:
        go_on(stage, run, metrics)


def go_on(stage: str, run: RunFolder, metrics: Metrics) -> None:
    stages: dict[str, Callable[[], None]] = {
        "vision": lambda: train_vision(run, metrics, quiet=True),
        "memory": lambda: train_memory(run, metrics, quiet=True),
        "controller": lambda: train_controller(run, InlineWorkers(), metrics, quiet=True),
    }
    stages[stage]()


@pytest.mark.parametrize("kill", [1, 3])
@pytest.mark.parametrize("stage", ["vision", "memory", "controller"])
def test_killed_after_a_checkpoint(
    stage: str, kill: int, tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = RunFolder.open(shutil.copytree(tiny_run.path, tmp_path / "whole"))
    fit(stage, whole)
    kill_after_save(Evolution if stage == "controller" else Fit, kill, monkeypatch)
    with pytest.raises(Killed):
        fit(stage, tiny_run)
    monkeypatch.undo()
    assert not tiny_run.is_done(stage)
    state = {"controller": "evolution/state"}.get(stage, f"{stage}.optimizer")
    assert (tiny_run.path / f"{state}.safetensors").exists()
    again = RunFolder.open(tiny_run.path)
    with Metrics(again.path, tensorboard=False) as metrics:
        go_on(stage, again, metrics)
    assert again.is_done(stage)
    for name in (stage, state):
        mine, reference = (load(run.path / f"{name}.safetensors") for run in (again, whole))
        assert all(mine[0][key].equal(tensor) for key, tensor in reference[0].items()), name
    assert logged(again) == logged(whole)
    if stage == "controller":
        rows = [[line.split(",")[:10] for line in log.splitlines()] for log in (text(again), text(whole))]
        # all columns but the times
        assert [row[:1] + row[2:] for row in rows[0]] == [row[:1] + row[2:] for row in rows[1]]


def text(run: RunFolder) -> str:
    return (run.evolution / "log.csv").read_text()


def test_a_run_with_a_larger_budget_is_killed_and_goes_on(tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    fit("controller", tiny_run)
    longer = RunFolder.open_or_create(tiny_run.path, None, ["controller.search.generations=7"])
    kill_after_save(Evolution, 2, monkeypatch)
    with pytest.raises(Killed):
        run_stages(longer, ("controller",), quiet=True)
    monkeypatch.undo()
    again = RunFolder.open(tiny_run.path)
    run_stages(again, ("controller",), quiet=True)
    assert again.is_done("controller")
    again.verify("controller")
    assert again.stage("controller")["generations"] == 7
    assert len(text(again).splitlines()) == 1 + 7


@pytest.mark.parametrize("kill", [2, 7, 8, 9, 14])  # each member saves after its six steps, and at its end
def test_an_ensemble_continues_within_and_between_its_members(
    kill: int, tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_run.config = replace(tiny_run.config, memory=replace(tiny_run.config.memory, members=2))
    whole = RunFolder.open(shutil.copytree(tiny_run.path, tmp_path / "whole"))
    whole.config = tiny_run.config
    fit("memory", whole)
    kill_after_save(Fit, kill, monkeypatch)
    with pytest.raises(Killed):
        fit("memory", tiny_run)
    monkeypatch.undo()
    taken = count_steps(monkeypatch)
    with Metrics(tiny_run.path, tensorboard=False) as metrics:
        go_on("memory", tiny_run, metrics)
    assert len(taken) == 12 - (kill - kill // 7)  # of both: none is taken twice
    for name in ("memory.safetensors", "memory.1.safetensors", "dream.1.safetensors"):
        assert (tiny_run.path / name).read_bytes() == (whole.path / name).read_bytes()
    assert logged(tiny_run) == logged(whole)


def test_a_search_without_time_left_still_makes_a_controller(tiny_run: RunFolder) -> None:
    tiny_run.forget("controller")
    stage = tiny_run.config.controller
    stage = replace(stage, search=replace(stage.search, minutes=1e-9))
    tiny_run.config = replace(tiny_run.config, controller=stage)
    with Metrics(tiny_run.path, tensorboard=False) as metrics:
        go_on("controller", tiny_run, metrics)
    assert tiny_run.stage("controller")["generations"] == 1


def test_a_memory_without_steps_stays_as_it_was_born(tiny_run: RunFolder) -> None:
    config = tiny_run.config
    tiny_run.config = replace(config, memory=replace(config.memory, steps=0))
    fit("memory", tiny_run)
    with torch_seeded(config.seed, "memory"):
        born = Memory(config.memory.model, config.vision.net.z_size, 3)
    trained = load_memory(tiny_run.memory)
    assert all(torch.equal(a, b) for a, b in zip(born.parameters(), trained.parameters(), strict=True))
    assert tiny_run.stage("memory")["steps"] == 0


def test_stages_compute_within_the_quota_and_leave_the_process_as_it_was(
    tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, seen = torch.get_num_threads(), []
    monkeypatch.setattr(devices, "num_cores", lambda _: 2)
    monkeypatch.setattr(pipeline, "train_memory", lambda *_, **__: seen.append(torch.get_num_threads()))
    torch.set_num_threads(3)
    try:
        run_stages(tiny_run, ("memory",), again=True, quiet=True)
        assert (seen, torch.get_num_threads()) == ([2], 3)
    finally:
        torch.set_num_threads(before)


def test_damaged_latents_are_not_trained_on(tiny_run: RunFolder) -> None:
    path = tiny_run.latents / "mu.npy"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"mu.npy is damaged .* encode again"):
        fit("memory", tiny_run)


@pytest.mark.parametrize("kind", ["vae", "vae_gan"])
def test_a_vision_model_of_either_kind_continues_bit_for_bit(
    kind: str, tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    discriminator = {"channels": (4, 8), "kernel": 4, "first_stride": 2, "features": 8, "layer": 1}
    config = VaeGanConfig(
        discriminator=DiscriminatorConfig(**discriminator, normalisation="spectral"), r1=1.0, r1_every=3, ema=0.9
    )
    vision = replace(tiny_run.config.vision, model=kind, vae_gan=config)
    runs = [tiny_run, RunFolder.open(shutil.copytree(tiny_run.path, tmp_path / "whole"))]
    for run in runs:
        run.config = replace(run.config, vision=vision)
    fit("vision", runs[1])
    kill_after_save(Fit, 4, monkeypatch)
    with pytest.raises(Killed):
        fit("vision", runs[0])
    monkeypatch.undo()
    with Metrics(runs[0].path, tensorboard=False) as metrics:
        go_on("vision", runs[0], metrics)
    assert runs[0].vision.read_bytes() == runs[1].vision.read_bytes()
    assert type(load_vision(runs[0].vision)) is {"vae": Vae, "vae_gan": VaeGan}[kind]


@pytest.mark.parametrize("stage", ["vision", "memory"])
def test_a_finished_fit_goes_on(stage: str, tiny_run: RunFolder) -> None:
    with Metrics(tiny_run.path, tensorboard=False) as metrics:
        for name in (stage,) if stage == "memory" else ("vision",):
            tiny_run.forget(name)
            go_on(name, tiny_run, metrics)
    before = load(tiny_run.path / f"{stage}.optimizer.safetensors")[1]["step"]
    weights = (tiny_run.path / f"{stage}.safetensors").read_bytes()
    length = {"vision": tiny_run.config.vision.epochs, "memory": tiny_run.config.memory.steps}[stage]
    run_stages(tiny_run, (stage,), more=length, quiet=True)
    again = RunFolder.open(tiny_run.path)
    assert load(again.path / f"{stage}.optimizer.safetensors")[1]["step"] == 2 * before
    assert {"vision": again.config.vision.epochs, "memory": again.config.memory.steps}[stage] == 2 * length
    assert (again.path / f"{stage}.safetensors").read_bytes() != weights
    assert again.is_done(stage)
    assert not again.is_done("controller")
    assert not again.controller.exists()


def test_what_is_not_finished_is_not_lengthened(tiny_run: RunFolder) -> None:
    tiny_run.forget("vision")
    with pytest.raises(UserError, match="has not finished its stage vision"):
        run_stages(tiny_run, ("vision",), more=1, quiet=True)


def test_frames_are_mirrored_half_of_the_time(tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[bool, list[torch.Tensor]] = {False: [], True: []}
    for mirror, batches in seen.items():
        monkeypatch.setattr(Vae, "loss", _keeping(batches))
        tiny_run.config = replace(tiny_run.config, vision=replace(tiny_run.config.vision, mirror=mirror))
        fit("vision", tiny_run)
        monkeypatch.undo()
    plain, half = (torch.cat(seen[mirror]) for mirror in (False, True))
    same = (plain == half).flatten(1).all(1)
    turned = (plain.flip(2) == half).flatten(1).all(1)
    assert (same | turned).all()
    assert 0.35 < turned.float().mean().item() < 0.65


def _keeping(batches: list[torch.Tensor]) -> Callable[..., LossAndMetrics]:
    original = Vae.loss

    def loss(self: Vae, frames: torch.Tensor, noise: torch.Generator) -> LossAndMetrics:
        batches.append(frames.clone())
        return original(self, frames, noise)

    return loss
