"""What a GPU makes of it is what the CPU makes of it. Left out where there is none."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reverie.data.batches import SequenceSampler
from reverie.data.latents import LatentStore
from reverie.devices import autocast, chosen_device, sent
from reverie.metrics import Metrics
from reverie.models import distributions
from reverie.models.files import load_controller, load_memory, load_vision, save_memory, save_vision
from reverie.models.mdn_rnn import Memory, MemoryConfig
from reverie.models.vision import VisionConfig, make_vision
from reverie.progress import Progress
from reverie.rollout import run_rollout
from reverie.run.folder import RunFolder
from reverie.run.recipe import FitConfig
from reverie.seeding import torch_generator, torch_seeded
from reverie.training.controller.dreams import DreamTask, run_dreams
from reverie.training.controller.rollouts import Rollouts
from reverie.training.loop import Fit
from reverie.training.pipeline import run_stages
from reverie.types import Device, LossAndMetrics, SequenceBatch
from reverie.workers.inline import InlineWorkers

pytestmark = pytest.mark.cuda

STEPS, LAST, Z = 500, 50, 32
PLACES: tuple[Device, Device] = ("cpu", "cuda")


def frames(step: int) -> torch.Tensor:
    """A bright square on grass, elsewhere in each."""
    rng = np.random.default_rng(step)
    found = np.full((16, 64, 64, 3), (100, 200, 100), np.uint8)
    for one, (y, x) in zip(found, rng.integers(0, 48, (16, 2)), strict=True):
        one[y : y + 16, x : x + 16] = (250, 40, 90)
    return torch.from_numpy(found)


def fitted(model: Any, batch: Callable[[int], Any], folder: Path, steps: int = STEPS, **more: Any) -> list[float]:
    """The losses of the steps; the model is left fitted."""
    folder.mkdir(exist_ok=True)
    config = FitConfig(learning_rate=1e-3, precision="fp32", schedule="cosine")
    more |= {"batch": batch, "num_steps": steps, "state_path": folder / "state.safetensors"}

    def loss(given: Any) -> LossAndMetrics:
        return model.loss(given) if isinstance(given, SequenceBatch) else model.loss(*given)

    fit: Fit[Any] = Fit("memory", model, config, loss=loss, **more)
    found, read = [], fit._read

    def kept(unread: list[torch.Tensor]) -> dict[str, float]:
        found.extend(row[fit._losses.index("loss")] for row in unread)
        return read(unread)

    fit._read = kept
    with Metrics(folder, tensorboard=False) as metrics, Progress("x", 1, "steps", quiet=True) as bar:
        fit.run(metrics, bar, units_per_step=1, beat=lambda: None)
    return torch.stack(found).tolist()


def seen(step: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch for V, with V's noise, which is else drawn where V is."""
    noise = torch.randn(16, Z, generator=torch_generator(0, "noise", step))
    return sent(frames(step), device), sent(noise, device)


@pytest.fixture
def _noise_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributions, "_standard_normal", lambda _, noise: noise)


@pytest.mark.usefixtures("_noise_is_given")
def test_v_learns_as_on_the_cpu(tmp_path: Path) -> None:
    """Weights moved by a millionth part at first end 3% apart on a CPU."""
    losses = {}
    for name in PLACES:
        device = chosen_device(name)
        with torch_seeded(0, "v"):
            vision = make_vision(VisionConfig()).to(device)
        losses[name] = fitted(vision, partial(seen, device=device), tmp_path / name)
    assert losses["cuda"][:10] == pytest.approx(losses["cpu"][:10], rel=1e-3)
    assert np.mean(losses["cuda"][-LAST:]) == pytest.approx(np.mean(losses["cpu"][-LAST:]), rel=0.1)


def sequences(step: int) -> SequenceBatch:
    """z walks by what is done."""
    rng = torch.Generator().manual_seed(step)
    act = torch.rand(16, 20, 3, generator=rng)
    z = torch.cat([torch.zeros(16, 1, 3), act.cumsum(1)], 1) + 0.1 * torch.randn(16, 21, 3, generator=rng)
    zeros = torch.zeros(16, 20)
    return SequenceBatch(z=z, act=act, rew=act[..., 0], prev_rew=zeros, end=zeros, mask=torch.ones(16, 20))


def walked(step: int, device: torch.device) -> SequenceBatch:
    return sequences(step).each(lambda part: sent(part, device))


def test_m_learns_as_on_the_cpu(tmp_path: Path) -> None:
    ends = []
    for name in PLACES:
        device = chosen_device(name)
        with torch_seeded(0, "m"):
            memory = Memory(MemoryConfig(hidden_size=32), 3, 3).to(device)
        ends.append(np.mean(fitted(memory, partial(walked, device=device), tmp_path / name)[-LAST:]))
    assert ends[1] == pytest.approx(ends[0], abs=0.03)


@pytest.mark.usefixtures("_noise_is_given")
@pytest.mark.parametrize("kind", ["v", "m"])
def test_recorded_steps_are_those_that_are_taken_one_by_one(kind: str, tmp_path: Path) -> None:
    """With rates that fall to nothing, and batches that are others in each step."""
    device, losses, weights = chosen_device("cuda"), {}, {}
    for recordable in (False, True):
        with torch_seeded(0, kind):
            model = make_vision(VisionConfig()) if kind == "v" else Memory(MemoryConfig(hidden_size=32), 3, 3)
        batch = partial(seen, device=device) if kind == "v" else partial(walked, device=device)
        losses[recordable] = fitted(model.to(device), batch, tmp_path / f"{recordable}", 40, recordable=recordable)
        weights[recordable] = torch.cat([weight.detach().flatten() for weight in model.parameters()])
    assert losses[True] == pytest.approx(losses[False], rel=1e-3)
    apart = (weights[True] - weights[False]).norm() / weights[False].norm()
    assert float(apart) < 1e-2


def test_noise_is_drawn_anew_in_each_recorded_step(tmp_path: Path) -> None:
    """By the generator of the step, as in steps that are taken one by one."""
    device, losses = chosen_device("cuda"), {}
    for recordable in (False, True):
        with torch_seeded(0, "v"):
            vision = make_vision(VisionConfig()).to(device)

        def batch(step: int):
            return sent(frames(0), device), torch_generator(0, "noise", step, device=device)

        losses[recordable] = fitted(vision, batch, tmp_path / f"{recordable}", 20, recordable=recordable)
    assert losses[True] == pytest.approx(losses[False], rel=1e-3)


def test_the_lstm_is_fp32_whatever_the_rest_is() -> None:
    batch = sequences(0).each(lambda part: part.to("cuda"))
    with torch_seeded(0, "m"):
        memory = Memory(MemoryConfig(hidden_size=8), 3, 3).to("cuda")
    with autocast("cuda", "bf16"):
        hidden, state = memory(batch.z[:, :-1], batch.act)
        assert memory.head(hidden).dtype == torch.bfloat16
    assert hidden.dtype == state.h.dtype == state.c.dtype == torch.float32


def test_a_fit_goes_on_where_the_other_device_left_it(tmp_path: Path) -> None:
    ways: list[tuple[Device, Device]] = [("cpu", "cuda"), ("cuda", "cpu")]
    for here, there in ways:
        folder = tmp_path / here
        both: list[tuple[Device, int]] = [(here, 20), (there, 40)]
        for name, steps in both:
            device = chosen_device(name)
            memory = Memory(MemoryConfig(hidden_size=8), 3, 3).to(device)
            losses = fitted(memory, partial(walked, device=device), folder, steps)
            assert len(losses) == 20
            assert np.isfinite(losses).all()


def test_files_are_the_same_wherever_they_were_written(tmp_path: Path) -> None:
    with torch_seeded(0, "files"):
        vision, memory = make_vision(VisionConfig()), Memory(MemoryConfig(hidden_size=8), 3, 3)
    for name in PLACES:
        save_vision(tmp_path / f"v.{name}.safetensors", vision.to(name))
        save_memory(tmp_path / f"m.{name}.safetensors", memory.to(name))
    for kind, load in (("v", load_vision), ("m", load_memory)):
        one, other = (tmp_path / f"{kind}.{name}.safetensors" for name in PLACES)
        assert one.read_bytes() == other.read_bytes()
        weights = load(one, "cuda").state_dict().values()
        assert {weight.device.type for weight in weights} == {"cuda"}


def test_an_agent_drives_and_dreams_there(tiny_run: RunFolder) -> None:
    controller, params = load_controller(tiny_run.controller)
    road = Rollouts(tiny_run, InlineWorkers(), controller.config).task(params[None], np.array([[0, 1]]))
    driven = {name: run_rollout(replace(road, device=name)) for name in PLACES}
    for one, other in zip(*driven.values(), strict=True):
        assert other.ret == pytest.approx(one.ret, abs=1)  # 24 frames: rounding has no time to grow
        assert other.frames == one.frames
    config = tiny_run.config
    dream = DreamTask(
        folder=tiny_run.path,
        digest="x",
        env=config.env,
        dream=config.controller.dream,
        by_judge=False,
        controller=controller.config,
        params=np.repeat(params[None].astype(np.float32), 2, 0),
        seeds=(10**6, 10**6 + 1),
    )
    dreamt = {name: run_dreams(replace(dream, device=name)) for name in PLACES}
    for one, other in zip(*dreamt.values(), strict=True):
        assert other.ret == pytest.approx(one.ret, rel=0.05, abs=1)


def test_a_whole_run_is_trained_there(tmp_path: Path) -> None:
    run = RunFolder.open_or_create(tmp_path / "run", "debug", ["device=cuda", "workers=0"])
    run_stages(run, quiet=True)
    assert run.is_done("evaluate")
    shutil.copytree(run.path, tmp_path / "copy")
    here = RunFolder.open(tmp_path / "copy", "cpu")
    latents = LatentStore(here.latents)
    batch = SequenceSampler(latents, 4, 5, 0, episodes=np.arange(len(latents))).batch(0)
    losses = [
        load_memory(here.memory, name).loss(batch.each(lambda part, name=name: part.to(name)))[0].item()
        for name in PLACES
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
