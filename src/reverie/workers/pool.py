"""Where episodes are run: in this process or in several. The contract is that of `concurrent.futures`, in order.

A worker that dies is replaced and its tasks are run again: tasks are pure functions, so nothing is lost or counted
twice.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Protocol, TypeVar

import torch
from threadpoolctl import threadpool_limits

from reverie.errors import UserError

Task = TypeVar("Task")
Result = TypeVar("Result")

MAX_RESTARTS = 3


class Workers(Protocol):
    """Runs pure functions of one picklable argument."""

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """Results in the order of the tasks, each as soon as it and those before it are there."""
        ...

    def close(self) -> None:
        """Ends the workers."""
        ...


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def make_workers(num_workers: int) -> Iterator[Workers]:
    """`num_workers` processes, or this process itself for 0."""
    workers: Workers = ProcessWorkers(num_workers) if num_workers else InlineWorkers()
    try:
        yield workers
    finally:
        workers.close()


class InlineWorkers:
    """Runs each task here, when its result is asked for; on one thread, like any other worker."""

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """See `Workers`."""
        for task in tasks:
            threads = torch.get_num_threads()
            torch.set_num_threads(1)
            try:
                with threadpool_limits(1):
                    result = function(task)
            finally:
                torch.set_num_threads(threads)
            yield result

    def close(self) -> None:
        """Nothing to end."""


class ProcessWorkers:
    """A pool of processes, one thread each."""

    def __init__(self, num_workers: int) -> None:
        self.num_workers = num_workers
        self.num_restarts = 0
        """Times that the pool was started again, in all."""
        self._deaths = 0
        self._pool = self._start()

    def _start(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")  # a fork would copy torch's threads in an undefined state
        return ProcessPoolExecutor(self.num_workers, mp_context=context, initializer=_initialise)

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """See `Workers`. Raises UserError when workers keep dying."""
        self._deaths = 0  # one now and then is no reason to give up a run of days
        waiting = list(tasks)
        futures: list[Future[Result]] = self._submit(function, waiting)
        for index in range(len(waiting)):
            while True:
                try:
                    result = futures[index].result()
                    break
                except BrokenProcessPool as error:
                    self._restart(error)
                    futures[index:] = self._submit(function, waiting[index:])
            yield result

    def _submit(self, function: Callable[[Task], Result], tasks: list[Task]) -> "list[Future[Result]]":
        while True:
            try:
                return [self._pool.submit(function, task) for task in tasks]
            except BrokenProcessPool as error:
                self._restart(error)

    def _restart(self, error: BrokenProcessPool) -> None:
        self.num_restarts += 1
        self._deaths += 1
        if self._deaths > MAX_RESTARTS:
            raise UserError(
                f"worker processes died {self._deaths} times (out of memory?): "
                "use fewer (--workers, or --set workers=1 for a run)"
            ) from error
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = self._start()

    def close(self) -> None:
        """Ends the processes; what they had not begun is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _initialise() -> None:
    torch.set_num_threads(1)
    threadpool_limits(1)  # NumPy's matrix library too: its threads would spin on the cores of other workers
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the main process, which then ends its workers
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """A worker whose main process was killed would wait for tasks for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
