"""Tasks in processes of this machine, one thread each."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

from reverie.devices import stay_on_one_thread
from reverie.errors import UserError
from reverie.workers.contract import FLOOR_SECONDS, Attempt, Events, Patience, Result, Task, attempt

MAX_RESTARTS = 3
"""Of one `map`: one now and then is no reason to give up a run of days."""


class ProcessWorkers:
    """A pool of processes."""

    def __init__(self, num_workers: int, *, hang_seconds: float = FLOOR_SECONDS) -> None:
        self.num_workers = num_workers
        self.events = Events()
        self._patience = Patience(hang_seconds)
        self._restarts = 0
        self._pool = self._start()

    def _start(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")  # a fork would copy torch's threads in an undefined state
        return ProcessPoolExecutor(self.num_workers, mp_context=context, initializer=_initialise)

    def place(self, folder: Path, names: tuple[str, ...]) -> Path:  # noqa: ARG002
        """See `Workers`: they read the same disk."""
        return folder

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """See `Workers`. Raises UserError, too, when workers keep dying or hanging."""
        self._restarts, waiting = 0, list(tasks)
        futures = self._submit(function, waiting)
        self._patience.start()
        for index in range(len(waiting)):
            while True:
                try:
                    if self._comes(futures, index):
                        done = futures[index].result()
                        break
                    self.events.hung += 1
                    self._restart("hung", None)
                    self._patience.renew(hung=True)
                except BrokenProcessPool as error:
                    self.events.lost += 1
                    self._restart("died", error)
                futures[index:] = self._submit(function, waiting[index:])
            self.events.repeated += done.repeated
            self._patience.learn(done.seconds)
            yield done.result

    def _comes(self, futures: "list[Future[Attempt]]", index: int) -> bool:
        """Waits for a result; false where nobody finishes anything for too long."""
        while not futures[index].done():
            finished, _ = wait(
                [future for future in futures[index:] if not future.done()],
                timeout=max(0.0, self._patience.left),
                return_when=FIRST_COMPLETED,
            )
            if not finished:
                return False
            self._patience.renew()
        return True

    def _submit(self, function: Callable[[Task], Result], tasks: list[Task]) -> "list[Future[Attempt]]":
        while True:
            try:
                return [self._pool.submit(partial(attempt, function), task) for task in tasks]
            except BrokenProcessPool as error:
                self.events.lost += 1
                self._restart("died", error)

    def _restart(self, what: str, error: BrokenProcessPool | None) -> None:
        self._restarts += 1
        if self._restarts > MAX_RESTARTS:
            raise UserError(
                f"worker processes {what} {self._restarts} times (out of memory?): "
                "use fewer (--workers, or --set workers=1 for a run)"
            ) from error
        for process in list((self._pool._processes or {}).values()):  # those that hang do not end when asked to
            process.kill()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = self._start()
        self._patience.renew()

    def close(self) -> None:
        """Ends the processes; what they had not begun is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _initialise() -> None:
    stay_on_one_thread()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the main process, which then ends its workers
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """A worker whose main process was killed would wait for tasks for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
