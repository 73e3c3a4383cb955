"""Recorded steps, as far as a machine without a GPU can tell: what torch is told while one is recorded is told again.
The rest is in `test_cuda.py`."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor
from torch.utils import _pytree
from torch.utils._python_dispatch import TorchDispatchMode

from reverie.models.mdn_rnn import Memory, MemoryConfig
from reverie.models.vision import VisionConfig, make_vision
from reverie.run.recipe import FitConfig
from reverie.seeding import torch_generator, torch_seeded
from reverie.training.graphs import WARM_UP, GraphedStep, parts_of, refill
from reverie.training.loop import Fit
from reverie.types import SequenceBatch

STEPS = WARM_UP + 4


class _Recorder(TorchDispatchMode):
    """Keeps each operation with what it was given and what came of it, and repeats them in the same places. Generators
    begin as they were given."""

    def __init__(self) -> None:
        super().__init__()
        self._told = list[tuple[bool, Any, Any, Any, Any]]()

    def register_generator_state(self, generator: torch.Generator) -> None:
        """A generator on the CPU is asked anew in any case."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self._told.append((torch.is_grad_enabled(), func, args, kwargs or {}, result))
        return result

    def replay(self) -> None:
        for enabled, func, args, kwargs, result in self._told:
            with torch.set_grad_enabled(enabled), torch._C._AutoDispatchBelowAutograd():
                again = func(*args, **kwargs)
            for place, value in zip(_pytree.tree_leaves(result), _pytree.tree_leaves(again), strict=True):
                if isinstance(value, Tensor) and place.data_ptr() != value.data_ptr():
                    with torch.no_grad():
                        place.copy_(value)


class _Recording:
    """What a card does not compute while it records is undone."""

    def __init__(self, recorder: _Recorder, fit: Fit[Any]) -> None:
        self._recorder, self._fit = recorder, fit

    def __enter__(self) -> None:
        states = [slot for slots in self._fit.optimizer.state.values() for slot in slots.values()]
        self._places = [*self._fit.model.state_dict().values(), *states]
        self._before = [place.clone() for place in self._places]
        self._recorder.__enter__()

    def __exit__(self, *failure: Any) -> None:
        self._recorder.__exit__(*failure)
        for place, value in zip(self._places, self._before, strict=True):
            place.copy_(value)


def a_card(monkeypatch: pytest.MonkeyPatch, graph: Callable[[_Recorder], object]) -> None:
    """Stands in for one; `graph` is around what is recorded."""
    for name in ("current_stream", "Stream"):
        monkeypatch.setattr(torch.cuda, name, _NoStream)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", _Recorder)
    monkeypatch.setattr(torch.cuda, "graph", graph)


def recorded(fit: Fit[Any], monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Tensor]:
    """A fit's step on a card that records."""
    a_card(monkeypatch, lambda recorder: _Recording(recorder, fit))
    return GraphedStep(fit._take_step, fit._recording)


class _NoStream:
    def wait_stream(self, other: object) -> None:
        """There is but one."""


def seen(step: int) -> tuple[Tensor, torch.Generator]:
    drawn = torch_generator(0, "frames", step)
    return torch.randint(256, (4, 64, 64, 3), generator=drawn, dtype=torch.uint8), torch_generator(0, "noise", step)


def walked(step: int) -> SequenceBatch:
    drawn = torch_generator(0, "walk", step)
    z, act, ones = torch.randn(4, 7, 3, generator=drawn), torch.rand(4, 6, 2, generator=drawn), torch.ones(4, 6)
    return SequenceBatch(z=z, act=act, rew=act[..., 0], prev_rew=act[..., 1], end=0 * ones, mask=ones)


@pytest.mark.parametrize("kind", ["v", "m"])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_recorded_steps_are_those_that_are_taken_one_by_one(
    kind: str, schedule: Literal["constant", "cosine"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With other batches and noise in each step, and other rates, which are rounded to fp32 where they are recorded."""
    config = FitConfig(learning_rate=2**-10, schedule=schedule, precision="fp32", clip=1.0)
    losses, weights = [], []
    for is_recorded in (False, True):
        with torch_seeded(0, kind):
            model: Any = make_vision(VisionConfig()) if kind == "v" else Memory(MemoryConfig(hidden_size=8), 3, 2)
        batch: Any = seen if kind == "v" else walked
        fit: Fit[Any] = Fit(
            "memory",
            model,
            config,
            loss=(lambda given, model=model: model.loss(*given)) if kind == "v" else model.loss,
            batch=batch,
            num_steps=STEPS,
            state_path=tmp_path / "state.safetensors",
        )
        take = recorded(fit, monkeypatch) if is_recorded else fit._take_step
        rows = []
        for fit.step in range(STEPS):
            fit._set_rates()
            rows.append(take(batch(fit.step)))
        losses.append(torch.stack(rows))
        weights.append(torch.cat([weight.detach().flatten() for weight in model.parameters()]))
        assert all(isinstance(group["lr"], float) for group in fit.optimizer.param_groups)
    assert len({row[0].item() for row in losses[0]}) == STEPS
    rtol, atol = (0, 0) if schedule == "constant" else (1e-3, 1e-5)
    torch.testing.assert_close(losses[1], losses[0], rtol=rtol, atol=atol)
    torch.testing.assert_close(weights[1], weights[0], rtol=rtol, atol=atol)


def test_where_a_step_cannot_be_recorded_they_are_taken_one_by_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    a_card(monkeypatch, refuse)
    take = GraphedStep[tuple[Tensor]](lambda batch: 2 * batch[0], nullcontext)
    assert [int(take((torch.tensor(i),))) for i in range(STEPS)] == [2 * i for i in range(STEPS)]
    said = capsys.readouterr().err
    assert said.count("one by one") == 1
    assert said.rstrip().endswith("not permitted when stream is capturing")


def test_frames_and_the_seed_of_their_noise() -> None:
    static, new = ((torch.full((2, 3), i), torch_generator(0, "noise", i)) for i in range(2))
    place = static[0]
    torch.rand(5, generator=static[1])
    refill(static, new)
    assert place.tolist() == new[0].tolist()
    expected = torch.rand(9, generator=torch_generator(0, "noise", 1)).tolist()
    assert torch.rand(9, generator=static[1]).tolist() == expected


def test_a_batch_of_another_shape_is_not_spread_out() -> None:
    with pytest.raises(AssertionError, match="recorded with"):
        refill((torch.zeros(4, 3),), (torch.zeros(1, 3),))


def test_all_parts_of_a_batch_of_sequences() -> None:
    static, new = (
        SequenceBatch(
            z=torch.full((1, 3, 2), i + 0.1),
            act=torch.full((1, 2, 3), i + 0.2),
            rew=torch.full((1, 2), i + 0.3),
            prev_rew=torch.full((1, 2), i + 0.4),
            end=torch.full((1, 2), i + 0.5),
            mask=torch.full((1, 2), i + 0.6),
        )
        for i in range(2)
    )
    places = parts_of(static)
    refill(static, new)
    assert [place.tolist() for place in places] == [part.tolist() for part in parts_of(new)]
