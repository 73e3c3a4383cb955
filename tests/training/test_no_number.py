"""A loss, a weight or a fact that is no longer a number ends its stage, with the cause and the last good state."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from reverie.checkpoint import load
from reverie.errors import UserError
from reverie.metrics import Metrics
from reverie.progress import Progress
from reverie.run.folder import RunFolder
from reverie.run.recipe import FitConfig
from reverie.training import loop
from reverie.training.loop import Fit
from reverie.training.pipeline import run_stages
from reverie.training.stage_clock import StageClock
from reverie.types import LossAndMetrics


class Poisoned(torch.nn.Module):
    """Its loss is fine until step 3, then a part of it, or its gradient, is not."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self.part, self.weight = part, torch.nn.Parameter(torch.ones(()))

    def loss(self, step: int) -> LossAndMetrics:
        rest = self.weight.square()
        if step >= 3 and self.part == "loss_kl":
            rest = rest * float("nan")
        if step >= 3 and self.part == "weights":  # a root has no slope at 0
            rest = rest + (self.weight - self.weight.detach()).sqrt()
        return rest, {"loss": rest, "loss_kl": rest, "loss_reconstruction": torch.ones(())}


@pytest.mark.parametrize(("part", "said"), [("loss_kl", "loss_kl became no number"), ("weights", "the weights weight")])
def test_what_is_no_number_stops_the_fit_and_leaves_the_last_good_state(
    part: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    model = Poisoned(part)
    fit = Fit(
        "vision",
        model,
        FitConfig(),
        loss=model.loss,
        batch=lambda step: step,
        num_steps=6,
        state_path=tmp_path / "state.safetensors",
    )
    metrics, bar = Metrics(tmp_path, tensorboard=False), Progress("x", 6, "steps", quiet=True)
    with metrics, pytest.raises(UserError, match=said) as error:
        fit.run(metrics, bar, units_per_step=1, beat=lambda: None)
    assert "state.safetensors holds the last good state, of step 3" in str(error.value)
    tensors, meta = load(tmp_path / "state.safetensors")
    assert meta["step"] == 3
    assert tensors["model.weight"].isfinite()


def test_a_memory_that_leaves_all_numbers_can_be_trained_with_other_settings(tiny_run: RunFolder) -> None:
    tiny_run.forget("memory")
    absurd = ["memory.fit.learning_rate=1e3", "memory.steps=1"]
    for _ in range(2):
        run = RunFolder.open_or_create(tiny_run.path, None, absurd)
        with pytest.raises(UserError, match=r"memory: the held-out loss became no number at step 1: lower memory.fit"):
            run_stages(run, ("memory",), quiet=True)
    sane = RunFolder.open_or_create(tiny_run.path, None, ["memory.fit.learning_rate=1e-3"], again="memory")
    run_stages(sane, ("memory",), again=True, quiet=True)
    assert sane.is_done("memory")


@pytest.mark.parametrize("facts", [{"loss": math.nan}, {"held_out": {"loss": math.inf}}])
def test_a_stage_whose_facts_are_no_numbers_is_not_done(facts: dict[str, Any], tiny_run: RunFolder) -> None:
    with pytest.raises(UserError, match=r"loss became no number: do it anew .*reverie vision --run .* --again"):
        StageClock(tiny_run, "vision").done([], facts)
    assert not RunFolder.open(tiny_run.path).is_done("vision")
