"""Folders that a process needs only while it lives. One that is killed leaves its own; whoever needs one next, or
begins to run episodes, clears away what the dead have left.

    TMPDIR/reverie-p-XXXXXXXX/   nobody else may enter it
        .alive                   locked as long as the process lives, whatever ends it
    /dev/shm/sem.NAME-*          semaphores that are called as the folder is, if somebody made some
"""

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from multiprocessing.util import Finalize
from pathlib import Path

from reverie.writing import refused

ALIVE = ".alive"
_PREFIX, _RAW = "reverie-p-", "reverie-n-"
"""Of a folder, and of one that is not locked yet."""
_SEMAPHORES = Path("/dev/shm")
_MINE: dict[Path, tuple[int, int]] = {}
"""Folder -> the process that made it, and its hold on the lock (-1 where the system has none)."""


def make() -> Path:
    """A new folder, which goes when this process ends. Raises UserError where the disk refuses."""
    sweep()
    try:
        raw = Path(tempfile.mkdtemp(prefix=_RAW))
        lock = _lock(raw, os.O_CREAT)
        folder = raw.with_name(_PREFIX + raw.name.removeprefix(_RAW))
        raw.rename(folder)  # none of this name is without its lock, unless it is half removed
    except OSError as error:
        raise refused(Path(tempfile.gettempdir()), error) from error
    if not any(pid == os.getpid() for pid, _ in _MINE.values()):
        Finalize(None, _remove_mine, exitpriority=0)  # at the end of workers, too, which atexit is not heard at
    _MINE[folder] = os.getpid(), lock
    return folder


def remove(folder: Path) -> None:
    """What `make` gave, before the process ends."""
    _, lock = _MINE.pop(folder)
    shutil.rmtree(folder, ignore_errors=True)
    if lock >= 0:
        os.close(lock)


@contextlib.contextmanager
def temporary() -> Iterator[Path]:
    """A folder for as long as this lasts; errors as `make`."""
    folder = make()
    try:
        yield folder
    finally:
        remove(folder)


def sweep() -> None:
    """Removes what processes of this user have left that are no more."""
    if os.name != "posix":
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}????????"):
        with contextlib.suppress(OSError):
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
                continue  # not one of ours
            if (lock := _lock(folder)) < 0:
                continue  # it lives, or nobody can say
            try:
                for semaphore in _SEMAPHORES.glob(f"sem.{folder.name}-*"):
                    semaphore.unlink(missing_ok=True)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _lock(folder: Path, flags: int = 0) -> int:
    """Locks a folder until what this gives is closed; -1 where another process has it locked, or the system has no
    locks. Raises OSError where there is nothing to lock."""
    if os.name != "posix":
        return -1
    import fcntl

    handle = os.open(folder / ALIVE, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | flags, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return -1
    return handle


def _remove_mine() -> None:
    for folder in [folder for folder, (pid, _) in _MINE.items() if pid == os.getpid()]:
        remove(folder)
