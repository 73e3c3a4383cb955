"""A folder on a disk that may only be read, for whoever asks: a system lets root write where others may not."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_CHANGED = {
    "os.mkdir": 0,
    "os.rename": 1,
    "os.remove": 0,
    "os.rmdir": 0,
    "os.truncate": 0,
    "os.utime": 0,
    "os.chmod": 0,
    "os.symlink": 1,
    "os.link": 1,
}
"""What Python tells of an operation that changes files -> which of its arguments names the file."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_FOLDERS: list[Path] = []


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """While this lasts, nothing in `folder` can be changed, or linked to from other disks, by this process."""
    if _refuse not in _INSTALLED:
        sys.addaudithook(_refuse)
        _INSTALLED.append(_refuse)
    asked = os.access

    def access(path: Any, mode: int, **kwargs: Any) -> bool:
        return not (mode & os.W_OK and _is_inside(path)) and asked(path, mode, **kwargs)

    _FOLDERS.append(folder)
    os.access = access
    try:
        yield
    finally:
        os.access = asked
        _FOLDERS.remove(folder)


def _refuse(event: str, args: Any) -> None:
    if not _FOLDERS:
        return
    if event == "os.link" and _is_inside(args[0]):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), args[0])
    where = _CHANGED.get(event, 0 if event == "open" and (args[2] or 0) & _WRITING else None)
    if where is not None and _is_inside(args[where]):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(args[where]))


_INSTALLED: list[Any] = []
"""A hook stays for as long as the process does."""


def _is_inside(path: Any) -> bool:
    return isinstance(path, str | bytes | os.PathLike) and any(
        Path(os.path.abspath(os.fsdecode(path))).is_relative_to(folder)  # noqa: PTH100 (without following links)
        for folder in _FOLDERS
    )
