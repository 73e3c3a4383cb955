"""Tasks on the machines of a cluster, by Dask `distributed`: workers come and go while a run goes on.

`distributed` is the extra `cluster`, and is imported here and in `local_cluster` only.
"""

import hashlib
import ipaddress
import math
import os
import platform
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from functools import cache, partial
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from reverie import __version__
from reverie.devices import one_thread
from reverie.envs.trusted import trust, trusted
from reverie.errors import UserError
from reverie.notes import note
from reverie.workers.contract import (
    FILES_VARIABLE,
    TASKS_AHEAD,
    Attempt,
    Events,
    Patience,
    Result,
    Task,
    attempt,
    placed,
)
from reverie.workers.local_cluster import OwnCluster
from reverie.writing import write_atomically

if TYPE_CHECKING:
    from distributed import Future, Worker

LOCAL = "local"
"""Instead of an address: a scheduler and workers of this machine's own, one a core."""
CONNECT_SECONDS = 30
WAIT_SECONDS = 1.0
"""Between two looks at whether anything came."""
MAX_RESTARTS = 3
_VERSIONS = ("numpy", "torch", "gymnasium", "box2d", "numba")
"""Of what a result depends on, beside our own."""
_ONE_AT_A_TIME = threading.Lock()


class DaskWorkers:
    """The workers of a Dask scheduler."""

    def __init__(self, scheduler: str, *, patience: Patience | None = None) -> None:
        """Raises UserError where there is no scheduler at the address, or it would be reached without encryption."""
        try:
            from distributed import Client
        except ImportError as error:
            raise UserError(
                "Dask is not installed: `pip install 'reverie[cluster]'` adds it, here and on the workers"
            ) from error
        self.events = Events()
        self._scheduler = scheduler
        self._patience = patience or Patience()
        if scheduler != LOCAL:
            check_address(scheduler)
        self._own = OwnCluster() if scheduler == LOCAL else None
        address = self._own.cluster if self._own else scheduler
        try:
            self._client: Client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError, TypeError) as error:  # the last without a certificate
            raise UserError(
                f"no scheduler answers at {scheduler}: start one (`dask scheduler`), or check address and "
                f"certificates; docs/cluster.md shows how ({error})"
            ) from error
        if scheduler.startswith("tcp:"):
            note(f"{scheduler} is not encrypted: others on this machine can run programs as you")
        self._client.subscribe_topic("all", self._hear)
        self._bell = threading.Event()
        """Rings when a task is done."""
        self._threads, self._counted = 0, -math.inf
        self._stopped: set[str] = set()
        """Addresses of workers that were started anew because they hung."""
        self._placed: set[str] = set()

    def place(self, folder: Path, names: tuple[str, ...]) -> Path:
        """See `Workers`: the files go to each worker once, and it keeps them where it likes."""
        files = {name: (folder / name).read_bytes() for name in names}
        digest = hashlib.sha256(b"".join(hashlib.sha256(files[name]).digest() for name in names)).hexdigest()[:32]
        if digest not in self._placed:
            self._client.register_plugin(_files_plugin(digest, files), name=f"reverie-{digest}")
            self._placed.add(digest)
        return placed(digest)

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """See `Workers`. Raises UserError, too, where no worker is left for too long, or workers keep hanging."""
        run, restarts = partial(_run, function, versions(), trusted()), 0
        waiting, futures = iter(tasks), deque["Future"]()
        self._patience.start()
        try:
            while True:
                for task in islice(waiting, max(0, self._room() - len(futures))):
                    key = f"reverie-{uuid.uuid4().hex}"
                    futures.append(self._client.submit(run, task, key=key, pure=False, retries=0))
                    futures[-1].add_done_callback(lambda _: self._bell.set())
                if not futures:
                    return
                while not self._comes(futures):
                    self.events.hung += 1
                    restarts += 1
                    if restarts > MAX_RESTARTS or not self._client.scheduler_info(n_workers=-1)["workers"]:
                        raise UserError(
                            f"nothing came from the workers of {self._scheduler} for "
                            f"{self._patience.seconds:.0f} seconds: start some (`dask worker ADDRESS`), or look at "
                            "their logs; then run the same command again to continue"
                        )
                    self._restart_busy()
                yield self._result(futures.popleft())
                self._patience.renew()
        finally:
            with suppress(Exception):  # of a scheduler that is gone
                self._client.cancel(list(futures), force=True)

    def _room(self) -> int:
        """For so many tasks among the workers that there are, who are counted once in a while."""
        if time.monotonic() - self._counted > WAIT_SECONDS:
            with suppress(OSError):  # of a scheduler that is gone: whoever waits for a result will hear
                threads: Any = self._client.nthreads()
                self._threads = sum(threads.values())
            self._counted = time.monotonic()
        return TASKS_AHEAD * max(1, self._threads)

    def _comes(self, futures: "deque[Future]") -> bool:
        """Waits for the first; false where nobody finishes anything for too long."""
        while not futures[0].done():  # distributed's own `wait` keeps what it waited for until garbage is collected
            if self._bell.wait(WAIT_SECONDS):
                self._bell.clear()
                self._patience.renew()
            elif self._patience.left < 0:
                return False
        return True

    def _result(self, future: "Future") -> Any:
        from distributed import KilledWorker

        try:
            done: Attempt = future.result()
        except CancelledError as error:
            raise self._gone() from error
        except KilledWorker as error:
            raise UserError(
                "several workers died at the same work (out of memory?): give them more "
                f"(`dask worker --memory-limit`), or start fewer on a machine ({error})"
            ) from error
        self.events.repeated += done.repeated
        self._patience.learn(done.seconds)
        return done.result

    def _restart_busy(self) -> None:
        processing: Any = self._client.processing()
        busy = [address for address, keys in processing.items() if keys]
        self._stopped |= set(busy)
        self._client.restart_workers(busy, timeout=CONNECT_SECONDS, raise_for_error=False)
        self._patience.renew(hung=True)

    def _hear(self, event: Any) -> None:
        """What the scheduler says of its workers: one is lost that died with our work, not one that was sent away."""
        _, said = event
        if not isinstance(said, dict) or said.get("action") != "remove-worker" or said["expected"]:
            return
        ours = any(str(key).startswith("reverie-") for key in said["processing-tasks"])
        if ours and said["worker"] not in self._stopped:
            self.events.lost += 1

    def _gone(self) -> UserError:
        return UserError(
            f"the scheduler at {self._scheduler} is gone: start it again, or look at its log; "
            "then run the same command again to continue"
        )

    def close(self) -> None:
        """Leaves the cluster as it was; ends the one of this machine's own."""
        with suppress(Exception):  # a scheduler that is gone, or it would go on telling us
            self._client.unsubscribe_topic("all")
        self._client.close()
        if self._own is not None:
            self._own.close()


def check_address(scheduler: str) -> None:
    """Raises UserError where tasks, which are programs, would travel unencrypted beyond this machine."""
    try:
        parts = urlsplit(scheduler)
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port
    except ValueError:  # a bracket without an end, a port beyond 65535
        scheme, host, port = "", "", None
    if scheme not in ("tcp", "tls") or not host or not port:
        raise UserError(f"--scheduler {scheduler}: give tls://HOST:PORT, or `local`", usage=True)
    if scheme == "tcp" and not _is_loopback(host):
        raise UserError(
            f"--scheduler {scheduler}: beyond this machine the connection must be encrypted, or whoever reaches the "
            "port can run programs there: use tls://, docs/cluster.md shows how to make the certificates",
            usage=True,
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _run(function: Callable[[Task], Result], theirs: dict[str, str], modules: list[str], task: Task) -> Attempt:
    """Runs a task on a worker; one at a time, since environments and models are kept for all threads of a process. It
    may import the modules that whoever sent it trusts."""
    for name, version in versions().items():
        if version != theirs[name]:  # other versions may give other results
            raise UserError(
                f"a worker has {name} {version}, this machine {theirs[name]}: install the same and restart the workers"
            )
    try:
        trust(modules)
        with _ONE_AT_A_TIME, one_thread():
            return attempt(function, task)
    except UserError as error:  # of that machine, perhaps: this one may lack nothing
        raise UserError(f"on the worker {platform.node()}: {error}", usage=error.usage) from error


@cache
def versions() -> dict[str, str]:
    """Of reverie and of what it computes with; builds of one version (torch's +cpu) count as the same."""
    return {"reverie": __version__, **{name: metadata.version(name).split("+")[0] for name in _VERSIONS}}


def _files_plugin(digest: str, files: dict[str, bytes]) -> Any:
    from distributed import WorkerPlugin

    class Files(WorkerPlugin):
        """Writes files into a worker's own folder when it starts, or at once where it is there already."""

        def setup(self, worker: "Worker") -> None:
            root = Path(worker.local_directory) / "reverie"
            for name, content in files.items():
                with write_atomically(root / digest / name) as file:
                    file.write(content)
            os.environ[FILES_VARIABLE] = str(root)

    return Files()
