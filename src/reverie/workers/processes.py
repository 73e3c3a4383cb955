"""Tasks in processes of this machine, one thread each."""

import os
import pickle
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, wait
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from reverie.errors import UserError
from reverie.workers.contract import TASKS_AHEAD, Attempt, Events, Patience, Result, Task
from reverie.workers.pool import Answer, Pool, WorkerDiedError

MAX_RESTARTS = 3
"""Of one `map`: one now and then is no reason to give up a run of days."""


class _Given(NamedTuple):
    """A task that was given out, as it is sent, and what will come of it."""

    packed: bytes
    answer: Answer


class _Restarts:
    """How often workers were replaced in a `map`, and when that is enough."""

    def __init__(self, events: Events) -> None:
        self._events, self._num = events, 0

    def died(self, error: WorkerDiedError) -> None:
        """Raises UserError at once for a worker that could not even start: the next one could not either."""
        if not error.ready and not error.killed:
            raise UserError(
                f"a worker process could not start ({str(error).splitlines()[-1]}): see whether `{sys.executable} -c "
                "'import reverie.rollout'` works in this folder; --workers 0 does without processes"
            ) from error
        self._events.lost += 1
        self._count("died", f" ({error}{'; out of memory?' if str(error) == 'killed by SIGKILL' else ''})")

    def hung(self) -> None:
        """Nothing came from them for too long."""
        self._events.hung += 1
        self._count("hung", "")

    def _count(self, what: str, how: str) -> None:
        self._num += 1
        if self._num > MAX_RESTARTS:
            raise UserError(
                f"worker processes {what} {self._num} times{how}: use fewer (--workers, or --set workers=1 for a run)"
            )


class ProcessWorkers:
    """A pool of processes."""

    def __init__(self, num_workers: int, *, patience: Patience | None = None) -> None:
        """Raises UserError on a system that cannot start them."""
        if os.name != "posix":
            raise UserError("worker processes need Linux or macOS: use --workers 0", usage=True)
        self.num_workers = num_workers
        self.events = Events()
        self._patience = patience or Patience()
        self._pool = Pool(num_workers)

    def place(self, folder: Path, names: tuple[str, ...]) -> Path:  # noqa: ARG002
        """See `Workers`: they read the same disk."""
        return folder

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """See `Workers`. Raises UserError, too, when workers cannot start, or keep dying or hanging."""
        packed = (pickle.dumps((function, task)) for task in tasks)
        given = deque[_Given]()
        restarts = _Restarts(self.events)
        self._patience.start()
        try:
            while True:
                room = TASKS_AHEAD * self.num_workers - len(given)
                given.extend(_Given(one, self._pool.submit(one)) for one in islice(packed, room))
                if not given:
                    return
                if not self._comes(given):
                    self._pool.stop_busy()
                    restarts.hung()
                    self._patience.renew(hung=True)
                self._again(given, restarts)
                if given[0].answer.done():
                    yield self._result(given.popleft().answer)
                    self._patience.renew()
        finally:
            for each in given:
                each.answer.cancel()

    def _comes(self, given: deque[_Given]) -> bool:
        """Waits until the first is there, or any of them has failed; false where nobody finishes anything for too
        long."""
        while not given[0].answer.done():
            pending = [each.answer for each in given if not each.answer.done()]
            finished, _ = wait(pending, timeout=max(0.0, self._patience.left), return_when=FIRST_COMPLETED)
            if not finished:
                return False
            self._patience.renew()
            if any(answer.exception() for answer in finished):
                return True
        return True

    def _again(self, given: deque[_Given], restarts: "_Restarts") -> None:
        """Gives out once more what died with its worker."""
        for i, (packed, answer) in enumerate(given):
            error = answer.exception() if answer.done() else None
            if isinstance(error, WorkerDiedError):
                restarts.died(error)
            if error is not None:
                given[i] = _Given(packed, self._pool.submit(packed))

    def _result(self, answer: Answer) -> Any:
        done: Attempt | UserError = pickle.loads(answer.result())
        if isinstance(done, UserError):
            raise done
        self.events.repeated += done.repeated
        self._patience.learn(done.seconds)
        return done.result

    def close(self) -> None:
        """Ends the processes, whatever they do: nobody waits for it any more."""
        self._pool.close()
