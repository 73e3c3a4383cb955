"""One loop that fits any model whose loss of a batch comes with metrics, and that can be killed at any time.

The batch of a step is a pure function of the step, so that continuing from a checkpoint is the same as never having
stopped, on the CPU bit for bit.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from reverie import checkpoint, dynamo
from reverie.devices import autocast, is_asynchronous
from reverie.errors import UserError
from reverie.metrics import Metrics
from reverie.progress import Progress
from reverie.run.recipe import FitConfig
from reverie.training.graphs import GraphedStep
from reverie.training.identity import require_own
from reverie.training.optimizer_state import pack_optimizer, unpack_optimizer
from reverie.types import LossAndMetrics

Batch = TypeVar("Batch")

CHECKPOINT_SECONDS = 20.0
LOG_EVERY = 20
RMSPROP_MEMORY = 0.9
NUM_SHOWN = 4
"""Losses beside the progress bar."""


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """What a fit is not fitted on, and is measured on while it runs: the best state is the one that stays."""

    losses: Callable[[], Mapping[str, float]]
    """Of the model as it is; `loss` is the one that counts."""
    every: int
    """Steps between two measurements."""
    patience_evals: int
    """The fit ends after so many measurements without a better one; 0 to go on to its last step."""


class _Best(NamedTuple):
    """Where the held-out loss was least."""

    step: int
    loss: float
    weights: dict[str, Tensor]
    """Empty where no loss was a number yet."""


class Fit(Generic[Batch]):
    """Fits `model` for `num_steps` steps; `state_path` holds all that is needed to continue, or to be lengthened: the
    last weights with the optimizer's state, and the best apart from them."""

    def __init__(
        self,
        name: str,
        model: nn.Module,
        config: FitConfig,
        *,
        loss: Callable[[Batch], LossAndMetrics],
        batch: Callable[[int], Batch],
        num_steps: int,
        state_path: Path,
        of: Mapping[str, Any] | None = None,
        rates: Mapping[str, float] | None = None,
        after_step: Callable[[], None] | None = None,
        held_out: HeldOut | None = None,
        recordable: bool = True,
    ) -> None:
        """`of`: what the state follows from (see `identity`); `rates`: factors of the learning rate for parameters
        whose names begin so; `recordable`: whether each step does the same, and looks at no number, so that a GPU may
        record it, which torch's RMSprop does not let it. `loss` is called under autocast, `batch` is not. Raises
        UserError where the state in `state_path` cannot be gone on from."""
        self.name, self.model, self.config = name, model, config
        self.loss, self.batch, self.num_steps, self.state_path = loss, batch, num_steps, state_path
        self.of, self.after_step, self.recordable = of or {}, after_step, recordable
        self.held_out = held_out
        self._best = _Best(0, math.inf, {})
        self._is_ended = False  # and its last measurement logged
        self._since = 0  # patience begins anew where a fit that had none left is lengthened
        groups = _groups(model, rates or {})
        self.optimizer = make_optimizer(config, groups)
        self._losses = tuple[str, ...]()
        self._recorded_rates = tuple[Tensor, ...]()
        self.step = 0
        if state_path.exists():
            self._load()

    def run(self, metrics: Metrics, bar: Progress, *, units_per_step: int, beat: Callable[[], None]) -> None:
        """Takes the steps that are left, saves, and leaves the best model, or the last where nothing is held out.

        Raises UserError when a loss or a weight is no longer a number; what was saved before stays.
        """
        device = self._device
        unread, read = list[Tensor](), dict[str, float]()
        if not self._is_ended:
            metrics.rewind(self.name, self.step)
        self.model.train()
        saved = time.monotonic()
        take = self._take_step
        if device.type == "cuda" and self.recordable and self.config.optimizer == "adam":
            take = GraphedStep(self._take_step, self._recording)
        while self.step < self.num_steps and not self.is_out_of_patience:
            self._set_rates()
            unread.append(take(self.batch(self.step)))
            is_logged = self.step % LOG_EVERY == 0 or self.step == self.num_steps - 1
            if is_logged or not is_asynchronous(device):
                read = self._read(unread)
            if self.after_step:
                self.after_step()
            if is_logged:
                metrics.log(self.name, self.step, {f"{self.name}/train/{key}": value for key, value in read.items()})
            self.step += 1
            if self.held_out and self.step % self.held_out.every == 0:
                self._measure(self.held_out, metrics, self.step - 1)
            shown = list(read.items())[:NUM_SHOWN]
            bar.advance(units_per_step, **{key: f"{value:.4g}" for key, value in shown})
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                self.save()
                beat()
                saved = time.monotonic()
        self._end(metrics)

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    def _take_step(self, batch: Batch) -> Tensor:
        """One step down the loss of a batch -> its losses (l,), named in `_losses`, which nobody has looked at."""
        with autocast(self._device, self.config.precision):
            loss, values = self.loss(batch)
        self._losses = tuple(values)
        losses = torch.stack([value.detach().float() for value in values.values()])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.config.clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimizer.step()
        return losses

    @contextmanager
    def _recording(self) -> Iterator[None]:
        """While a step is recorded: its rates are read from where those of later steps are put."""
        groups = self.optimizer.param_groups
        self._recorded_rates = tuple(torch.tensor(group["lr"], device=self._device) for group in groups)
        before = [(group["capturable"], group["lr"]) for group in groups]
        for group, rate in zip(groups, self._recorded_rates, strict=True):
            group["capturable"], group["lr"] = True, rate
        try:
            yield
        finally:
            for group, (capturable, rate) in zip(groups, before, strict=True):
                group["capturable"], group["lr"] = capturable, rate

    def _set_rates(self) -> None:
        """The learning rates of this step."""
        rate = learning_rate(self.config, self.step, self.num_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = group["rate"] * rate
        for place, group in zip(self._recorded_rates, self.optimizer.param_groups, strict=False):
            place.fill_(group["lr"])

    def _end(self, metrics: Metrics) -> None:
        """Saves, and takes the best weights. A measurement where none was due counts here, but is not kept: a fit that
        goes on makes none there."""
        kept = self._best
        if self.held_out and self.step % self.held_out.every:
            self._measure(self.held_out, metrics, self.step)
        if self.held_out and self.step and not self._best.weights:
            raise self._not_a_number("the held-out loss")
        best, self._best, self._is_ended = self._best, kept, True
        self.save()
        self._best = best
        if best.weights:
            self.model.load_state_dict(best.weights)
        self.model.eval()

    @property
    def best_step(self) -> int:
        """Where the held-out loss was least; 0 where nothing was measured."""
        return self._best.step

    @property
    def best_loss(self) -> float:
        """The least held-out loss."""
        return self._best.loss

    @property
    def is_out_of_patience(self) -> bool:
        """Whether the held-out loss has not got better for too long."""
        held_out = self.held_out
        if held_out is None or not held_out.patience_evals:
            return False
        return self.step - max(self.best_step, self._since) >= held_out.patience_evals * held_out.every

    def _measure(self, held_out: HeldOut, metrics: Metrics, step: int) -> None:
        """Measures, and logs it as of `step`."""
        self.model.eval()
        losses = held_out.losses()
        self.model.train()
        if not self._is_ended:
            metrics.log(self.name, step, {f"{self.name}/held_out/{key}": value for key, value in losses.items()})
        if losses["loss"] < self.best_loss:
            weights = {key: value.detach().clone() for key, value in self.model.state_dict().items()}
            self._best = _Best(self.step, losses["loss"], weights)

    def save(self) -> None:
        """Writes model, optimizer and step. Raises UserError where a weight is not a number, and writes nothing."""
        broken = [name for name, weight in self.model.named_parameters() if not bool(torch.isfinite(weight).all())]
        if broken:
            raise self._not_a_number(f"the weights {broken[0]}")
        tensors, meta = pack_optimizer(self.optimizer)
        if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
            raise self._not_a_number("the mean of the gradient or of its square")
        tensors = {f"optimizer.{key}": value for key, value in tensors.items()}
        tensors |= {f"model.{key}": value for key, value in self.model.state_dict().items()}
        tensors |= {f"best.{key}": value for key, value in self._best.weights.items()}
        best = {"step": self.best_step, "loss": self.best_loss} if self._best.weights else None
        lengths = {"num_steps": self.num_steps, "since": self._since, "ended": self._is_ended}
        meta = {"step": self.step, "optimizer": meta, "best": best, **lengths, "of": dict(self.of)}
        checkpoint.save(self.state_path, tensors, meta)

    def _load(self) -> None:
        tensors, meta = checkpoint.load(self.state_path)
        stage = self.name.split(".")[0]
        anew = f"`reverie {stage} --run {self.state_path.parent} --again`"
        require_own(self.state_path, meta.get("of"), self.of, anew)
        with checkpoint.as_written(self.state_path, anew):
            self._take(tensors, meta)

    def _take(self, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
        """Goes on from what `save` wrote."""
        self.model.load_state_dict(_under("model.", tensors))
        if meta["best"]:
            self._best = _Best(meta["best"]["step"], meta["best"]["loss"], _under("best.", tensors))
        self.step, self._since = index(meta["step"]), index(meta["since"])
        self._is_ended = meta.get("ended", False) and meta["num_steps"] == self.num_steps
        if meta["num_steps"] < self.num_steps and self.is_out_of_patience:
            self._since = self.step
        unpack_optimizer(self.optimizer, _under("optimizer.", tensors), meta["optimizer"])
        for parameter, slots in self.optimizer.state.items():
            for key, value in slots.items():
                if value.shape == parameter.shape:  # torch's fused Adam reads it in the parameter's order of memory
                    slots[key] = torch.empty_like(parameter, requires_grad=False).copy_(value)

    def _read(self, unread: list[Tensor]) -> dict[str, float]:
        """The newest losses as numbers, after a look at all that nobody has looked at: on a device that is told what to
        do ahead of time, they are fetched at once, and seldom."""
        rows = torch.stack(unread).tolist()
        unread.clear()
        for step, row in enumerate(rows, self.step - len(rows) + 1):
            values = dict(zip(self._losses, row, strict=True))
            if not math.isfinite(values["loss"]):
                causes = [key for key, value in values.items() if key != "loss" and not math.isfinite(value)]
                raise self._not_a_number(", ".join(causes) or "the loss", step)
        return dict(zip(self._losses, rows[-1], strict=True))

    def _not_a_number(self, cause: str, step: int | None = None) -> UserError:
        """Names the cause, the step, if not this one, the cure, and what is left."""
        step, left = self.step if step is None else step, "nothing was saved yet"
        if self.state_path.exists():
            left = f"{self.state_path} holds the last good state, of step {checkpoint.load(self.state_path)[1]['step']}"
        stage = self.name.split(".")[0]
        return UserError(
            f"{self.name}: {cause} became no number at step {step}: lower {stage}.fit.learning_rate, set "
            f"{stage}.fit.clip, or use precision fp32 (`reverie {stage} --run {self.state_path.parent} --again "
            f"--set {stage}.fit.learning_rate=...`); {left}"
        )


def descend(
    optimizer: torch.optim.Optimizer,
    loss: Callable[[int], Tensor],
    num_steps: int,
    after_step: Callable[[Tensor], None] | None = None,
) -> None:
    """A short fit, which nobody continues: `num_steps` down the loss of each, at a rate that falls to 0 along a cosine.
    `after_step` is told the loss."""
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, num_steps)
    for step in range(num_steps):
        value = loss(step)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()
        schedule.step()
        if after_step:
            after_step(value.detach())


def make_optimizer(config: FitConfig, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """Of these groups of parameters."""
    with dynamo.in_private():
        if config.optimizer == "rmsprop":
            return torch.optim.RMSprop(groups, lr=config.learning_rate, alpha=RMSPROP_MEMORY)
        return torch.optim.Adam(groups, lr=config.learning_rate, betas=(config.beta1, 0.999), fused=True)


def learning_rate(config: FitConfig, step: int, num_steps: int) -> float:
    """The learning rate at a step."""
    if config.schedule == "constant":
        return config.learning_rate
    if config.schedule == "power":
        return config.learning_rate * (1 - (step / num_steps) ** 0.75)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * step / num_steps))


def _groups(model: nn.Module, rates: Mapping[str, float]) -> list[dict[str, Any]]:
    """The trained parameters, in groups of one factor of the learning rate."""
    groups: dict[float, list[nn.Parameter]] = {1.0: []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            rate = next((rate for prefix, rate in rates.items() if name.startswith(prefix)), 1.0)
            groups.setdefault(rate, []).append(parameter)
    return [{"params": parameters, "rate": rate} for rate, parameters in groups.items()]


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
