"""What is told while something is running, to whoever listens: a stage's clock, `Metrics` and `Progress` tell it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened while a run is trained."""

    kind: Literal["stage", "progress", "metrics"]
    """`stage`: it begins or is done. `progress`: how far a piece of work is. `metrics`: numbers were logged."""
    stage: str
    """Which stage (`collect`, `vision`, ...); of progress, the name of the piece of work, mostly the stage's."""
    run: Path | None = None
    """Folder of the run: a scout and earlier rounds have their own. None for progress."""
    done: int = 0
    """Of progress: units done. Of metrics: the step, counted as docs/metrics.md says."""
    total: int | None = None
    """Units in all; None where that is not known."""
    unit: str = ""
    """What is counted: `episodes`, `images`, `generations`, ..."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Of a stage: `status` (`running` or `done`), `seconds` so far, and what came of it. Of progress: what it has come
    to. Of metrics: numbers by the keys that docs/metrics.md explains."""

    def __str__(self) -> str:
        """One line for people: `vision 300/480 images  loss 31.2`."""
        parts = [f"{self.stage} {self.values['status']}"] if self.kind == "stage" else []
        if self.kind != "stage":
            count = self.done if self.total is None else f"{self.done}/{self.total}"
            parts.append(f"{self.stage} {count} {self.unit}".rstrip())
            parts += [f"{key} {_short(value)}" for key, value in self.values.items()]
        return "  ".join(parts)


Listener = Callable[[Event], object]
"""What it raises ends the work, which goes on from there when it is asked for again."""
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener | None) -> Iterator[None]:
    """While this lasts, `listener` is told what happens in this thread."""
    before = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(before)


def is_heard() -> bool:
    """Whether anybody listens."""
    return _listener.get() is not None


def tell(event: Event) -> None:
    """Tells whoever listens."""
    if (listener := _listener.get()) is not None:
        listener(event)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
