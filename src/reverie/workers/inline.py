"""Tasks in this very process, on one thread like in any other worker."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

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
            with one_thread():
                done = attempt(function, task)
            self.events.repeated += done.repeated
            yield done.result

    def close(self) -> None:
        """Nothing to end."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch and NumPy on one thread: sums in one order, and no threads that spin on the cores of other workers."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)
