"""A fit that is measured on held-out data keeps its best state, ends when that gets old, and can be killed."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from reverie.checkpoint import load
from reverie.errors import UserError
from reverie.metrics import Metrics
from reverie.progress import Progress
from reverie.run.recipe import FitConfig
from reverie.training import loop
from reverie.training.loop import Fit, HeldOut
from reverie.types import LossAndMetrics

EVERY = 3


class Slide(torch.nn.Module):
    """A weight that slides from 1 towards 0, while the held-out data want it at 0.5."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.modes: list[bool] = []
        self.measured: dict[float, float] = {}

    def loss(self, step: int) -> LossAndMetrics:
        self.modes.append(self.training)
        loss = self.weight.square() * (1 + 0.1 * math.sin(step))
        return loss, {"loss": loss}

    def held_out_losses(self) -> dict[str, float]:
        assert not self.training
        weight = self.weight.item()
        self.measured[weight] = (weight - 0.5) ** 2
        return {"loss": self.measured[weight], "other": -weight}


def make(folder: Path, *, num_steps: int = 40, patience: int = 0, held_out: bool = True) -> tuple[Fit[int], Slide]:
    model = Slide()
    fit = Fit(
        "memory",
        model,
        FitConfig(learning_rate=0.05, schedule="constant"),
        loss=model.loss,
        batch=lambda step: step,
        num_steps=num_steps,
        state_path=folder / "state.safetensors",
        held_out=HeldOut(losses=model.held_out_losses, every=EVERY, patience_evals=patience) if held_out else None,
    )
    return fit, model


def run(fit: Fit[int], folder: Path, beat: Callable[[], None] = lambda: None) -> None:
    with Metrics(folder, tensorboard=False) as metrics, Progress("x", 1, "steps", quiet=True) as bar:
        fit.run(metrics, bar, units_per_step=1, beat=beat)


def logged(folder: Path) -> list[dict]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "time"} for line in lines]


def test_the_best_state_is_the_one_that_stays(tmp_path: Path) -> None:
    fit, model = make(tmp_path)
    run(fit, tmp_path)
    best = min(model.measured, key=lambda weight: model.measured[weight])
    assert abs(best - 0.5) < 0.08
    assert model.weight.item() == best
    assert fit.step == 40
    assert len(model.measured) == 14  # after each third step, and after the last
    assert fit.best_step == EVERY * (1 + list(model.measured).index(best))
    assert fit.best_loss == model.measured[best]
    assert min(model.measured) < 0.2 < best  # it slid far beyond
    assert all(model.modes)
    assert not model.training


def test_without_held_out_data_the_last_state_stays(tmp_path: Path) -> None:
    fit, model = make(tmp_path, held_out=False)
    run(fit, tmp_path)
    assert model.weight.item() < 0.2
    assert fit.best_step == 0
    assert load(fit.state_path)[1]["best"] is None


@pytest.mark.parametrize("patience", [1, 2])
def test_it_ends_when_nothing_got_better_for_long(patience: int, tmp_path: Path) -> None:
    fit, model = make(tmp_path, patience=patience)
    run(fit, tmp_path)
    losses = list(model.measured.values())
    assert losses.index(min(losses)) == len(losses) - 1 - patience
    assert fit.step == fit.best_step + patience * EVERY < 40
    assert (model.weight.item() - 0.5) ** 2 == min(losses)
    steps = [line["step"] for line in logged(tmp_path) if "memory/held_out/other" in line]
    assert steps == [EVERY * (i + 1) - 1 for i in range(len(losses))]


def test_what_ended_early_does_not_go_on_when_it_is_opened_again(tmp_path: Path) -> None:
    fit, _ = make(tmp_path, patience=1)
    run(fit, tmp_path)
    kept = fit.state_path.read_bytes()
    again, model = make(tmp_path, patience=1)
    run(again, tmp_path)
    assert not model.modes
    assert again.is_out_of_patience
    assert again.state_path.read_bytes() == kept


def test_a_held_out_loss_that_is_no_number_is_never_the_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Slide.held_out_losses

    def losses(self: Slide) -> dict[str, float]:
        found = original(self)
        return found if len(self.measured) == 2 else {"loss": math.nan}

    monkeypatch.setattr(Slide, "held_out_losses", losses)
    fit, _ = make(tmp_path, patience=2)
    run(fit, tmp_path)
    assert (fit.step, fit.best_step) == (4 * EVERY, 2 * EVERY)


@pytest.mark.parametrize(("num_steps", "patience"), [(1, 0), (EVERY, 0), (40, 2)])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_without_any_held_out_loss_that_is_a_number_the_fit_is_not_finished(
    value: float, num_steps: int, patience: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Slide, "held_out_losses", lambda _: {"loss": value})
    for _ in range(2):
        fit, _ = make(tmp_path, num_steps=num_steps, patience=patience)
        with pytest.raises(UserError, match=r"the held-out loss became no number .* lower memory\.fit\.learning_rate"):
            run(fit, tmp_path)
        assert not fit.state_path.exists()
    monkeypatch.undo()
    run(make(tmp_path, num_steps=num_steps)[0], tmp_path)


def state(fit: Fit[int]) -> dict[str, torch.Tensor]:
    return load(fit.state_path)[0]


@pytest.mark.parametrize(("first", "whole"), [(20, 40), (5, 11), (12, 24), (7, 8)])
@pytest.mark.parametrize("patience", [0, 4])
def test_a_lengthened_fit_is_the_long_one(first: int, whole: int, patience: int, tmp_path: Path) -> None:
    """Measured or not where the first ended, before and behind its best state."""
    long, reference = make(tmp_path / "long", num_steps=whole, patience=patience)
    run(long, tmp_path / "long")
    for num_steps in (first, whole):
        fit, model = make(tmp_path / "twice", num_steps=num_steps, patience=patience)
        run(fit, tmp_path / "twice")
    assert model.weight.equal(reference.weight)
    assert (fit.step, fit.best_step, fit.best_loss) == (long.step, long.best_step, long.best_loss)
    assert fit.state_path.read_bytes() == long.state_path.read_bytes()


def test_what_ended_early_goes_on_from_its_last_state_when_it_is_lengthened(tmp_path: Path) -> None:
    first, model = make(tmp_path / "early", patience=2)
    run(first, tmp_path / "early")
    assert model.weight.item() != state(first)["model.weight"].item(), "the best is not the last"
    longer, _ = make(tmp_path / "early", num_steps=60, patience=2)
    run(longer, tmp_path / "early")
    assert longer.step == first.step + 2 * EVERY
    patient, _ = make(tmp_path / "patient", num_steps=longer.step)
    run(patient, tmp_path / "patient")
    assert longer.best_step == patient.best_step == first.best_step
    mine, reference = state(longer), state(patient)
    assert mine.keys() == reference.keys()
    assert all(mine[name].equal(tensor) for name, tensor in reference.items())


@pytest.mark.parametrize("patience", [0, 2])
@pytest.mark.parametrize("kill", [2, 3 * EVERY, 4 * EVERY + 1, 5 * EVERY])
def test_killed_after_a_checkpoint_it_goes_on_as_if_it_never_was(
    kill: int, patience: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything was measured, in the best state, with patience half gone, and with none left."""
    whole, reference = make(tmp_path / "whole", patience=patience)
    run(whole, tmp_path / "whole")
    assert (whole.best_step, whole.step) == (3 * EVERY, 5 * EVERY if patience else 40)

    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    first, _ = make(tmp_path / "cut", patience=patience)

    def die() -> None:
        if first.step == kill:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(first, tmp_path / "cut", beat=die)
    assert load(first.state_path)[1]["step"] == kill
    monkeypatch.undo()

    second, model = make(tmp_path / "cut", patience=patience)
    assert (second.step, second.best_step, second.best_loss) == (kill, first.best_step, first.best_loss)
    run(second, tmp_path / "cut")
    assert (second.step, second.best_step, second.best_loss) == (whole.step, whole.best_step, whole.best_loss)
    assert model.weight.equal(reference.weight)
    assert second.state_path.read_bytes() == whole.state_path.read_bytes()
    assert logged(tmp_path / "cut") == logged(tmp_path / "whole")


def test_a_lengthened_fit_is_given_its_patience_anew(tmp_path: Path) -> None:
    fit, _ = make(tmp_path, patience=1)
    run(fit, tmp_path)
    fit.save()
    ended = fit.step
    longer, _ = make(tmp_path, num_steps=60, patience=1)
    assert not longer.is_out_of_patience
    run(longer, tmp_path)
    assert longer.step == ended + EVERY


def test_losses_are_read_seldom_where_reading_is_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, looks = {}, {True: 0, False: 0}
    for waits in (False, True):
        folder = tmp_path / str(waits)
        folder.mkdir()
        monkeypatch.setattr(loop, "is_asynchronous", lambda _, waits=waits: waits)
        fit, model = make(folder, held_out=False)

        def look(unread: list, waits: bool = waits, read: Callable = fit._read) -> dict[str, float]:
            looks[waits] += 1
            return read(unread)

        monkeypatch.setattr(fit, "_read", look)
        run(fit, folder)
        found[waits] = model.weight.item(), logged(folder)
    assert found[True] == found[False]
    assert looks == {False: 40, True: 3}  # at steps 0 and 20, and at the last


def test_a_loss_that_was_no_number_is_found_at_the_next_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "is_asynchronous", lambda _: True)
    fit, model = make(tmp_path, held_out=False)
    whole = model.loss
    monkeypatch.setattr(fit, "loss", lambda i: (whole(i)[0], {"loss": torch.tensor(math.nan if i == 5 else 1.0)}))
    with pytest.raises(UserError, match="the loss became no number at step 5:"):
        run(fit, tmp_path)
