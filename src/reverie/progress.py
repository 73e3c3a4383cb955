"""How far a long piece of work is, shown while it is running."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from reverie.events import Event, is_heard, tell
from reverie.notes import console, warn

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

PLAIN_INTERVAL = 20.0
"""Seconds between two lines of a `Progress` that is not on a terminal."""
TELL_INTERVAL = 0.5
"""Seconds between two events that it tells whoever listens."""


class Progress:
    """Shows on stderr how far a long piece of work is: on a terminal what it has come to, above a bar; else a line at
    times and one at the end.

    `total` is None where the end is not known; `start` is what an earlier run had done already, and does not count
    towards the rate. The calls cost about a microsecond and may come as often as you like.
    """

    def __init__(
        self,
        description: str,
        total: int | None,
        unit: str,
        *,
        start: int = 0,
        quiet: bool = False,
    ) -> None:
        self.description = description
        self.total = total
        self.unit = unit
        self.completed = self.start = start
        self._info: dict[str, Any] = {}
        self._expected: float | None = None
        self._limit: tuple[float, float, str] | None = None
        self._quiet = quiet
        self._rich: RichProgress | None = None
        self._began = self._shown = self._told = time.monotonic()

    def advance(self, num: int = 1, **info: Any) -> None:
        """`num` more units are done; `info` (numbers or words) replaces what was last shown under these names."""
        self.update(self.completed + num, **info)

    def update(self, completed: int, **info: Any) -> None:
        """`completed` units are done in all."""
        self.completed = completed
        if info:
            self._info.update(info)
        # A bar redraws itself ten times a second from these fields.
        if not self._quiet and self._rich is None and time.monotonic() - self._shown >= PLAIN_INTERVAL:
            self._print()
        if is_heard() and time.monotonic() - self._told >= TELL_INTERVAL:
            self._tell()

    def expect(self, seconds: float | None) -> None:
        """`seconds` are left from now on, which the caller knows better than the rate tells: where later units take
        longer than earlier ones; None to go by the rate."""
        self._expected = None if seconds is None else time.monotonic() + seconds

    def limit(self, done: float, total: float, unit: str) -> None:
        """Another limit than `total` ends the work before it: of so many `unit` so many are done. The bar shows it."""
        self._limit = (done, total, unit)

    @property
    def share(self) -> float | None:
        """What is done of the limit that decides, from 0 to 1; None where the end is not known."""
        done, total = self._limit[:2] if self._limit else (self.completed, self.total)
        return None if total is None else min(1.0, done / total) if total else 1.0

    def text(self) -> str:
        """How far it is, and what it has come to: `12000/40000 images  3512 images/s  0:12 elapsed  ...`."""
        return "  ".join(filter(None, (self.count_text(), self.info_text())))

    def info_text(self) -> str:
        """What it has come to: `loss 31.2  lr 0.0001`."""
        return "  ".join(
            f"{key} {_short(value) if isinstance(value, float) else value}" for key, value in self._info.items()
        )

    def count_text(self) -> str:
        """Count, rate, time elapsed and left; first of all the limit that decides, where that is another."""
        elapsed = time.monotonic() - self._began
        rate = (self.completed - self.start) / elapsed if elapsed > 0 else 0.0
        count = str(self.completed) if self.total is None else f"{self.completed}/{self.total}"
        parts = [f"{count} {self.unit}", f"{_short(rate)} {self.unit}/s", f"{_clock(elapsed)} elapsed"]
        if self._limit:
            parts.insert(0, f"{_short(self._limit[0])}/{_short(self._limit[1])} {self._limit[2]}")
        if self.total is not None:
            left = (self.total - self.completed) / rate if rate > 0 else math.inf
            if self._expected is not None:
                left = max(0.0, self._expected - time.monotonic())
            parts.append(f"{_clock(left) if math.isfinite(left) else '-:--'} left")
        return "  ".join(parts)

    def _print(self) -> None:
        self._shown = time.monotonic()
        warn(f"{self.description}  {self.text()}")

    def _tell(self) -> None:
        self._told = time.monotonic()
        counted = {"done": self.completed, "total": self.total, "unit": self.unit}
        tell(Event(kind="progress", stage=self.description, **counted, values=dict(self._info)))

    def __enter__(self) -> Progress:
        self._began = self._shown = time.monotonic()
        if not self._quiet and sys.stderr.isatty():
            self._rich = _rich_progress(self)
            self._rich.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        if self._rich is not None:
            self._rich.stop()
        elif not self._quiet:
            self._print()
        if kind is None:
            self._tell()


def _rich_progress(progress: Progress) -> RichProgress:
    """A line of what it has come to above a bar, which read `progress` each time they are drawn."""
    from rich.console import RenderableType
    from rich.progress import BarColumn, ProgressColumn, TextColumn
    from rich.progress import Progress as RichProgress
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    class Bar(BarColumn):
        def render(self, task: Any) -> ProgressBar:
            return ProgressBar(
                total=1,
                completed=progress.share or 0.0,
                width=24,
                pulse=progress.share is None,
                animation_time=task.get_time(),
            )

    class Status(ProgressColumn):
        def render(self, task: Any) -> Text:  # noqa: ARG002  (rich's signature)
            return Text(progress.count_text(), overflow="ellipsis", no_wrap=True)

    class TwoLines(RichProgress):
        def get_renderables(self) -> Iterable[RenderableType]:
            if info := progress.info_text():
                yield Text(f"{progress.description}  {info}", overflow="ellipsis", no_wrap=True)
            yield from super().get_renderables()

    # stdout is left alone: it may carry a result that another program reads.
    bar = TwoLines(
        TextColumn("{task.description}", markup=False),
        Bar(),
        Status(),
        console=console(stderr=True),
        redirect_stdout=False,
    )
    bar.add_task(progress.description, total=progress.total)
    return bar


def _short(value: float) -> str:
    return f"{value:.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.3g}"


def _clock(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
