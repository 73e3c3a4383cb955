"""Tasks in this very process, on one thread like in any other worker."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from reverie.devices import one_thread
from reverie.workers.contract import Events, Result, Task, attempt


class InlineWorkers:
    """Runs each task here, when its result is asked for."""

    def __init__(self) -> None:
        self.events = Events()

    def place(self, folder: Path, names: tuple[str, ...]) -> Path:  # noqa: ARG002
        """See `Workers`: they are here."""
        return folder

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """See `Workers`."""
        for task in tasks:
            yield self._do(function, task)

    def _do(self, function: Callable[[Task], Result], task: Task) -> Result:
        with one_thread():
            done = attempt(function, task)
        self.events.repeated += done.repeated
        return done.result

    def close(self) -> None:
        """Nothing to end."""
