"""A step of training as one CUDA graph: what a GPU is told once, it repeats at a word.

A step of V or of M is hundreds of kernels of microseconds each. Python needs longer to name them than the card to run
them (docs/devices.md, Steps at a word).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import fields, is_dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from reverie.notes import note

Batch = TypeVar("Batch")

WARM_UP = 3
"""Steps that are taken one kernel at a time, before the graph is drawn: what is made at first use is then there."""


class GraphedStep(Generic[Batch]):
    """Takes steps as `step` does: the first `WARM_UP` by it, the others by replays of one that was recorded; or all by
    it where this torch cannot record it.

    `step` must do the same at each call: no number may be waited for, and shapes stay. What its batches hold, tensors
    and seeds of generators, is copied to where the recorded step reads it. `recording` is around the one that is
    recorded.
    """

    def __init__(self, step: Callable[[Batch], Tensor], recording: Callable[[], AbstractContextManager[None]]) -> None:
        self._step, self._recording = step, recording
        self._left = WARM_UP
        self._is_refused = False
        self._recorded: tuple[torch.cuda.CUDAGraph, Batch, Tensor] | None = None

    def __call__(self, batch: Batch) -> Tensor:
        """What `step` gives of this batch, on the device; a tensor of its own."""
        if self._left:
            self._left -= 1
            return self._aside(batch)
        if self._recorded is None and not self._is_refused:
            self._try_to_record(batch)
        if self._recorded is None:
            return self._step(batch)
        graph, static, result = self._recorded
        refill(static, batch)
        graph.replay()
        return result.clone()

    def _aside(self, batch: Batch) -> Tensor:
        """The step on another stream than the one that waits for it, as torch asks for before a recording."""
        here, aside = torch.cuda.current_stream(), torch.cuda.Stream()
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            result = self._step(batch)
        here.wait_stream(aside)
        return result

    def _try_to_record(self, batch: Batch) -> None:
        try:
            self._recorded = self._record(batch)
        except RuntimeError as error:
            self._is_refused = True
            note(f"this GPU takes steps of training one by one, which is slower: {str(error).splitlines()[0]}")

    def _record(self, batch: Batch) -> tuple[torch.cuda.CUDAGraph, Batch, Tensor]:
        """The graph, the batch that it reads, and where it leaves its result; nothing is computed yet."""
        graph = torch.cuda.CUDAGraph()
        for part in parts_of(batch):
            if isinstance(part, torch.Generator):
                graph.register_generator_state(part)
        with self._recording(), torch.cuda.graph(graph):
            result = self._step(batch)
        return graph, batch, result


def parts_of(batch: Any) -> list[Any]:
    """The tensors and generators of a batch, which is a tuple or a dataclass of them."""
    return [getattr(batch, field.name) for field in fields(batch)] if is_dataclass(batch) else list(batch)


def refill(static: Any, batch: Any) -> None:
    """Puts what `batch` holds in the place of what `static` holds: tensors' numbers, and seeds of generators that have
    drawn nothing yet."""
    for place, part in zip(parts_of(static), parts_of(batch), strict=True):
        if isinstance(place, torch.Generator):
            place.manual_seed(part.initial_seed())
        else:
            assert place.shape == part.shape, f"a batch of {part.shape} for a step that was recorded with {place.shape}"
            place.copy_(part)
