"""File operations that fail, one of them or all from one on: the process is killed there, or the disk refuses."""

import builtins
import errno
import functools
import io
import os
import signal
from collections.abc import Callable
from typing import Any

import numpy as np

HOW = ("killed", "full", "read-only")
_REFUSALS = {"full": errno.ENOSPC, "read-only": errno.EROFS}
_OPERATIONS = (
    "fsync",
    "replace",
    "rename",
    "unlink",
    "remove",
    "mkdir",
    "rmdir",
    "truncate",
    "link",
    "posix_fallocate",
)
_FREEING = ("unlink", "remove", "rmdir", "rename", "replace", "truncate")
"""What a full disk still allows."""


class Faults:
    """Counts the operations by which this process changes files, and lets the `number`-th be its last one (killed), or
    be refused with all that come after it."""

    def __init__(self, how: str, number: int) -> None:
        self.how, self.number, self.count = how, number, 0
        self.last = ""
        """What was done last."""

    def before(self, operation: str) -> bool:
        """Counts one; says whether the process is to be killed in the midst of it. Raises OSError where it is
        refused."""
        self.count += 1
        self.last = operation
        if self.count < self.number:
            return False
        if self.how == "killed":
            return self.count == self.number
        if not (self.how == "full" and operation in _FREEING):
            code = _REFUSALS[self.how]
            raise OSError(code, os.strerror(code))
        return False

    def install(self) -> None:
        """From now on, in this process."""
        for name in _OPERATIONS:
            setattr(os, name, self._wrapped(name, getattr(os, name)))
        np.memmap.flush = self._wrapped("flush", np.memmap.flush)  # pyright: ignore[reportAttributeAccessIssue]
        opened = io.open
        builtins.open = io.open = functools.partial(_open, self, opened)  # pyright: ignore[reportAttributeAccessIssue]

    def _wrapped(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            if self.before(name):
                die()
            return function(*args, **kwargs)

        return counted


def die() -> None:
    """As the kernel ends a process: nothing is tidied up."""
    os.kill(os.getpid(), signal.SIGKILL)


class _Raw(io.FileIO):
    faults: Faults

    def write(self, data: Any) -> int:
        """Half of it is on the disk when a kill comes."""
        if self.faults.before("write"):
            half = memoryview(data).cast("B")
            super().write(half[: len(half) // 2])
            die()
        return super().write(data)

    def truncate(self, size: int | None = None) -> int:
        if self.faults.before("truncate"):
            die()
        return super().truncate(size)


def _open(faults: Faults, opened: Callable[..., Any], file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
    """`open`, whose binary files count what is written into them."""
    if not set(mode) & set("wax+"):
        return opened(file, mode, *args, **kwargs)
    if not isinstance(file, int) and faults.before("open"):
        die()
    if "b" not in mode:
        return opened(file, mode, *args, **kwargs)
    raw = _Raw(file, mode.replace("b", ""))
    raw.faults = faults
    return io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
