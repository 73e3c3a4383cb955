"""A Dask scheduler and workers of this machine's own, one a core, that only the process which started them can reach.

`distributed` is the extra `cluster`, and is imported here and in `cluster` only.
"""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from multiprocessing import process, resource_tracker
from pathlib import Path
from typing import Any

from reverie import environment, scratch
from reverie.devices import num_cores
from reverie.errors import UserError

_NO_PAGES = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
"""Of the small web servers that scheduler and workers have: they ask nobody for a certificate."""

PATIENT = {"distributed.deploy.lost-worker-timeout": "30d"}
"""A worker that is started anew is not given up, however long a busy machine takes; with the 15 seconds of distributed
its work would wait for nobody."""

_SAFE_PATH = "PYTHONSAFEPATH"


class OwnCluster:
    """Scheduler and workers, on loopback, with a key and a certificate made for this run."""

    def __init__(self) -> None:
        """Raises UserError where something that it needs is not installed, or the system cannot start it."""
        if os.name != "posix":
            raise UserError("a cluster of this machine's own needs Linux or macOS: use --workers 0", usage=True)
        import dask.config
        from distributed import LocalCluster
        from distributed.security import Security

        try:
            security = Security.temporary()  # else any user of the machine could run programs as its owner
        except ImportError as error:
            raise UserError(
                "encryption needs `cryptography`, which is not installed: `pip install 'reverie[cluster]'` adds it"
            ) from error
        self._hidden = ExitStack()
        self._hidden.enter_context(_without_the_users_script())
        self._hidden.enter_context(_nothing_from_the_working_folder())  # nor are those that are started anew
        folder = self._hidden.enter_context(scratch.temporary())  # else one that all users of the machine share
        self._hidden.enter_context(_semaphores_called_as(folder))
        self._hidden.enter_context(dask.config.set(PATIENT))  # asked for whenever a worker goes
        settings = {**_NO_PAGES, "temporary-directory": str(folder)}
        with dask.config.set(settings), _deaf_to_interrupts():
            self.cluster: Any = LocalCluster(
                n_workers=num_cores(),
                local_directory=str(folder),
                threads_per_worker=1,
                host="127.0.0.1",
                protocol="tls",
                security=security,
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,
            )

    def close(self) -> None:
        """Ends them."""
        with self._hidden:
            self.cluster.close()


@contextmanager
def _semaphores_called_as(folder: Path) -> Iterator[None]:
    """Those that multiprocessing makes within stay where the whole session is killed, since whoever would remove them
    is killed, too: by their names they go with the folder."""
    config: Any = process.current_process()._config  # pyright: ignore[reportAttributeAccessIssue] (no other way is there)
    before = config["semprefix"]
    config["semprefix"] = f"/{folder.name}"
    try:
        yield
    finally:
        config["semprefix"] = before


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """For threads and processes that are started within: Ctrl-C is for this one, which then ends its workers."""
    resource_tracker.ensure_running()  # whoever starts it hears of interrupts again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _nothing_from_the_working_folder() -> AbstractContextManager[None]:
    """Python's own modules, which processes that are started within need before they are told where to look, do not
    come from the folder where the command is run: that may be somebody else's."""
    return environment.variable(_SAFE_PATH, "1")


@contextmanager
def _without_the_users_script() -> Iterator[None]:
    """Processes that are started within, or started anew, do not run the user's script again, of which they need
    nothing: it may lack `if __name__ == "__main__"`, or have come through a pipe."""
    script, spec = sys.modules["__main__"], "__spec__"
    hidden = {name: vars(script)[name] for name in ("__file__", spec) if name in vars(script)}
    vars(script).pop("__file__", None)
    vars(script)[spec] = None
    try:
        yield
    finally:
        vars(script).update(hidden)
