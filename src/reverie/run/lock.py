"""One process at a time writes into a run's folder: a lock that goes with the process that holds it."""

import contextlib
import errno
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from reverie.errors import UserError
from reverie.notes import note

_HARD, _SOFT = ".lock", ".lock.soft"
_WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
_LOOK_SECONDS = 1.0
"""Time to find that the process which left a lock file is gone."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the lock of a run. Raises UserError where another process does, or where the folder cannot be written to.

    The system's lock; where the file system has none, a file that names its process, which is warned of in a line.
    """
    lock = _hold(folder)
    try:
        yield
    finally:
        lock.release()


def is_lock(path: Path) -> bool:
    """Whether a file in a run's folder is there for the lock alone."""
    return path.name in (_HARD, _SOFT)


def _hold(folder: Path) -> BaseFileLock:
    busy = f"{folder} is in use by another process: wait, or choose another --run"
    lock = FileLock(folder / _HARD)
    try:
        with warnings.catch_warnings(record=True) as said:  # where the system has no locks, filelock goes on alone
            warnings.simplefilter("always")
            lock.acquire(timeout=0)
        if said:
            _warn(folder, os.strerror(errno.ENOSYS))
        return lock
    except Timeout as error:
        raise UserError(busy) from error
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise _refused(folder, error) from error
        _warn(folder, error.strerror or str(error))
    lock = SoftFileLock(folder / _SOFT)
    try:
        lock.acquire(timeout=_LOOK_SECONDS)
        return lock
    except Timeout as error:
        raise UserError(f"{busy}; if none does, remove {folder / _SOFT}") from error
    except OSError as error:
        raise _refused(folder, error) from error


def _refused(folder: Path, error: OSError) -> UserError:
    return UserError(f"cannot lock {folder}: {error.strerror or error}; make it writable, or choose another --run")


def _warn(folder: Path, reason: str) -> None:
    note(f"warning: the file system of {folder} has no locks ({reason}): use it from one machine at a time")
