"""How files are written: beside their place and then moved onto it, so that a reader finds the old content or the new,
never a part; only where a folder still is what it was; and what is said where the disk refuses.
"""

import contextlib
import errno
import json
import os
import re
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from reverie.errors import UserError


@contextlib.contextmanager
def write_atomically(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path`; on leaving, flush it to the disk and move it onto `path`.

    On an exception the temporary file is removed and `path` stays as it was. Makes missing folders. Raises UserError
    where the disk refuses.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    require_there(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        with temporary.open("xb") as file:  # a link in its place is not followed
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise refused(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def open_to_append(path: Path) -> BinaryIO:
    """Opens a file that only grows, to read it and to write at its end; makes it where it is missing. Raises OSError
    where the disk refuses, and where a link is in its place: what it names may lie anywhere."""
    require_there(path)
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, name, 0)
    handle = os.open(path, flags, 0o666)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EEXIST, "it is no regular file")
    return os.fdopen(handle, "a+b")


_TEMPORARY = re.compile(r"\..+\.\d+(-\d+)?\.tmp")
"""What `write_atomically` calls the file that is not whole yet."""
_CURES = {
    "make room there, or choose another folder": (errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    "make it writable, or choose another folder": (errno.EACCES, errno.EPERM, errno.EROFS),
    "move away what is in its place": (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENOTEMPTY),
}


def refused(path: Path, error: OSError, cure: str = "choose another folder, or look after the disk") -> UserError:
    """What is said where `path` cannot be written, and what to do about it, by what the system says."""
    cure = next((each for each, codes in _CURES.items() if error.errno in codes), cure)
    return UserError(f"cannot write {path}: {error.strerror or error}; {cure}")


_THERE: dict[Path, tuple[int, int]] = {}
"""Folders that must stay what they are, and how the file system knows them."""


@contextlib.contextmanager
def stays_there(folder: Path) -> Iterator[None]:
    """While this lasts, nothing is written into `folder` if it is removed, moved or replaced: it would be made anew, in
    part."""
    _THERE[folder] = _identity(folder)
    try:
        yield
    finally:
        del _THERE[folder]


def require_there(path: Path) -> None:
    """Raises UserError where `path` is in a folder that does not stay there."""
    for folder, identity in _THERE.items():
        if path.is_relative_to(folder) and _identity(folder) != identity:
            raise UserError(f"{folder} was removed, moved or replaced meanwhile: nothing more is written there")


def _identity(folder: Path) -> tuple[int, int]:
    try:
        found = folder.stat()
    except OSError:
        return (-1, -1)
    return found.st_dev, found.st_ino


def may_write(path: Path) -> bool:
    """Whether this user may make `path`, or write into it, by what the system says of the first folder above it that is
    there."""
    return os.access(_first_there(path), os.W_OK)


def require_writable(path: Path) -> None:
    """Raises UserError where `may_write` is false: for whoever has work to do before there is something to write."""
    if not may_write(path):
        raise UserError(
            f"cannot write {path}: {_first_there(path)} may only be read; make it writable, or choose another folder"
        )


def _first_there(path: Path) -> Path:
    while not path.is_dir() and path != path.parent:
        path = path.parent
    return path


def sweep(folder: Path) -> None:
    """Removes what writes that were killed left in `folder`. Only for one who knows that nobody writes there now."""
    for temporary in folder.glob(".*.tmp"):
        if _TEMPORARY.fullmatch(temporary.name):  # the folder may be a link to one with other files
            temporary.unlink(missing_ok=True)


def create_array(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> np.memmap:
    """A new memory-mapped `.npy` of zeros at `path`, with its room on the disk reserved.

    Writing into a mapping when the disk is full kills the process; this raises UserError instead, before the work.
    A reader that has the old file open keeps it.
    """
    require_there(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        array = np.lib.format.open_memmap(path, "w+", dtype, shape)
        _reserve(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        size = f"{np.prod(shape, dtype=float) * dtype.itemsize / 1e9:.1f} GB"
        raise UserError(f"{refused(path, error)} ({size})") from error
    return array


def _reserve(path: Path) -> None:
    """Claim the disk space of a sparse file, where the system can; OSError where there is too little."""
    if not hasattr(os, "posix_fallocate"):
        return
    with path.open("r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise  # anything else: a file system that cannot reserve


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` last through a power cut; not every system lets a folder be opened for it."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_json(path: Path, obj: Any) -> None:
    """Write `obj` as indented JSON, atomically. NaN and infinities are refused (ValueError): JSON has none."""
    write_text(path, json.dumps(obj, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically. What is no letter in it, as names of files may hold, becomes `\\udcff` or the
    like, of which JSON makes the same again."""
    with write_atomically(path) as file:
        file.write(text.encode(errors="backslashreplace"))
