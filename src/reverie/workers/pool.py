"""Processes that do one piece of work at a time, given out by a thread: who is free gets the next.

It knows nothing of what the work is or what to do when it fails; `ProcessWorkers` does.
"""

import signal
import subprocess
import sys
import threading
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait

from reverie.workers.child import PROGRAM, READY

Answer = Future[bytes]
_GRACE_SECONDS = 5.0
"""For a process that closed its socket to be gone."""


class WorkerDiedError(Exception):
    """A process that ended by itself; its message says how."""

    def __init__(self, how: str, *, ready: bool, killed: bool) -> None:
        super().__init__(how)
        self.ready = ready
        """Whether it had got as far as doing work."""
        self.killed = killed
        """Whether a signal ended it."""


class WorkerStoppedError(Exception):
    """A process that `Pool.stop_busy` ended."""


@dataclass(eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection
    ready: bool = False
    stopped: bool = False
    work: Answer | None = None


class Pool:
    """At most `num_workers` processes, which are started when there is work for them."""

    def __init__(self, num_workers: int) -> None:
        self._num_workers = num_workers
        self._workers: list[_Worker] = []
        self._waiting: deque[tuple[bytes, Answer]] = deque()
        self._lock = threading.Lock()
        self._closed = False
        self._bell, self._ring = Pipe(duplex=False)
        threading.Thread(target=self._give_out, name="reverie-pool", daemon=True).start()

    def submit(self, work: bytes) -> Answer:
        """Work that the next free process does; what it answers, or WorkerDiedError, WorkerStoppedError, or OSError
        where no process could be started. Raises OSError where none can be now."""
        answer = Answer()
        with self._lock:
            self._waiting.append((work, answer))
            self._start_missing()
        self._ring.send_bytes(b"")
        return answer

    def stop_busy(self) -> None:
        """Kills the processes that have work, and those that are not ready yet."""
        with self._lock:
            busy = [worker for worker in self._workers if worker.work or not worker.ready]
            for worker in busy:
                worker.stopped = True
        for worker in busy:
            worker.process.kill()

    def close(self) -> None:
        """Kills all processes, whatever they do."""
        with self._lock:
            self._closed = True
            workers = list(self._workers)
        for worker in workers:
            worker.process.kill()
        for worker in workers:
            worker.process.wait()
        self._ring.send_bytes(b"")

    def _start_missing(self) -> None:
        """One process more, where there is more work than processes that could take it."""
        free = sum(worker.work is None for worker in self._workers)
        if not self._closed and len(self._waiting) > free and len(self._workers) < self._num_workers:
            self._workers.append(_start())

    def _give_out(self) -> None:
        while not self._closed:
            workers = list(self._workers)
            for worker in workers:
                if worker.ready and worker.work is None:
                    self._give(worker)
            for connection in wait([self._bell, *(worker.connection for worker in workers)]):
                if connection is self._bell:
                    self._bell.recv_bytes()
                else:
                    self._hear(next(worker for worker in workers if worker.connection is connection))

    def _give(self, worker: _Worker) -> None:
        with self._lock:
            found = self._next()
            worker.work = found[1] if found else None
        if found:
            with suppress(OSError):  # of one that is dead: reading from it will say so
                worker.connection.send_bytes(found[0])

    def _next(self) -> tuple[bytes, Answer] | None:
        """The first work that waits and that somebody still waits for."""
        while self._waiting:
            work, answer = self._waiting.popleft()
            if answer.set_running_or_notify_cancel():
                return work, answer
        return None

    def _hear(self, worker: _Worker) -> None:
        try:
            said = worker.connection.recv_bytes()
        except (EOFError, OSError):
            self._bury(worker, "")
            return
        if worker.ready:
            answer, worker.work = worker.work, None
            assert answer is not None
            answer.set_result(said)
        elif said == READY:
            worker.ready = True
        else:
            self._bury(worker, said.decode())

    def _bury(self, worker: _Worker, why: str) -> None:
        """Takes a dead process from the list; who hears of it is whoever waits for its work, or for the next one."""
        try:
            worker.process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            worker.process.kill()
        code = worker.process.wait()
        worker.connection.close()
        with self._lock:
            self._workers.remove(worker)
            answer = worker.work
            if not (answer or worker.ready or worker.stopped):
                found = self._next()
                answer = found[1] if found else None
            try:
                self._start_missing()
            except OSError as error:  # no room for a process: who waits for the next work hears of it
                if found := self._next():
                    found[1].set_exception(error)
        if answer is not None:
            how = why or (f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}")
            died = WorkerDiedError(how, ready=worker.ready, killed=code < 0)
            answer.set_exception(WorkerStoppedError() if worker.stopped else died)


def _start() -> _Worker:
    ours, theirs = Pipe()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(theirs.fileno()), *map(str, sys.path)],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            process_group=0,  # Ctrl-C is for the main process, which then ends its workers
        )
    return _Worker(process, ours)
