"""Files that can be trusted: atomic writes, JSON, checksums, and tensors in self-validating safetensors files.

A file is written beside its place and then moved onto it, so that a reader finds the old content or the new, never a
part. Nothing is pickled: loading a checkpoint runs no code from it. How files are read that others may have written is
told in `reading.py`.

torch is imported by the functions that need it, so that workers which only write episodes do not pay for it.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import hashlib
import json
import os
import re
import stat
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from reverie.errors import UserError
from reverie.reading import MAX_TEXT, open_regular, parse_json, read_bytes, unreadable

if TYPE_CHECKING:
    import torch

MAX_TENSORS = 4 * 2**30
"""Bytes of a file of tensors: thrice what the largest recipe makes."""
HEADER_KEY = "reverie"
"""The one key in the safetensors metadata: a JSON text with `meta` (itself a JSON text) and `sha256`. One key, since
the order of several is not fixed and the same content shall give the same bytes."""


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


def sweep(folder: Path) -> None:
    """Removes what writes that were killed left in `folder`. Only for one who knows that nobody writes there now."""
    for temporary in folder.glob(".*.tmp"):
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
    text = json.dumps(obj, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    with write_atomically(path) as file:
        file.write(text.encode())


def read_json(path: Path) -> Any:
    """The content of a JSON file; UserError where it is missing or not JSON."""
    text = read_text(path)
    try:
        return parse_json(text)
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}): restore it from a copy") from error


_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})(?=/|$)")


def typed_path(text: str | Path) -> Path:
    """A path as people type it: what `~` or a variable (`$HOME`, `${SCRATCH}`) says at its beginning, also in a recipe,
    or where quotes kept the shell from saying so. Elsewhere, or where it is not set, a `$` is a `$`."""
    text = str(text)
    if begins := _VARIABLE.match(text):
        text = (os.environ.get(begins[1] or begins[2]) or begins[0]) + text[begins.end() :]
    try:
        return Path(text).expanduser()
    except RuntimeError:  # nobody's home
        return Path(text)


def read_text(path: Path) -> str:
    """The content of a text file as an editor saved it: UTF-8, with or without a byte order mark, any line ends.

    Raises UserError where it is missing, or in another encoding.
    """
    data = read_bytes(path, MAX_TEXT)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UserError(f"{path} is UTF-16: save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        where = f"byte 0x{data[error.start]:02x} in line {line}"
        raise UserError(f"{path} is not UTF-8 ({where}): save it as UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces; UserError where it is missing."""
    with open_regular(path) as file:
        try:
            return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise unreadable(path, error) from error


def save(path: Path, tensors: Mapping[str, torch.Tensor | np.ndarray], meta: Mapping[str, Any] | None = None) -> None:
    """Write `tensors` and `meta` to one safetensors file, atomically, and then a readable `.json` beside it.

    `meta` must be JSON without NaN or infinities. The file checks itself: its header holds a SHA-256 over names,
    dtypes, shapes, bytes and meta. The same content gives the same bytes. The sidecar is for people; `load` does not
    need it.
    """
    from safetensors.torch import save as to_bytes

    own = {name: _own(tensors[name]) for name in sorted(tensors)}
    meta_text = json.dumps(dict(meta or {}), sort_keys=True, allow_nan=False)
    sha256 = _content_sha256(own, meta_text)
    header = json.dumps({"meta": meta_text, "sha256": sha256}, sort_keys=True)
    data = to_bytes(own, metadata={HEADER_KEY: header})
    with write_atomically(path) as file:
        file.write(data)
    shapes = {name: [_dtype(tensor), list(tensor.shape)] for name, tensor in own.items()}
    write_json(path.with_suffix(".json"), {"meta": json.loads(meta_text), "sha256": sha256, "tensors": shapes})


def load(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The tensors (on the CPU, in memory of their own) and the meta of a file that `save` wrote.

    Raises UserError where the file is missing, cut short, damaged, or was not written by `save`.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as from_bytes

    with open_regular(path) as file:
        meta, meta_text, sha256 = _header(path, file)
        try:
            file.seek(0)
            data = file.read(MAX_TENSORS)
        except OSError as error:
            raise unreadable(path, error) from error
    try:
        tensors = from_bytes(data)
    except (SafetensorError, ValueError, AttributeError, RuntimeError, KeyError, TypeError) as error:
        raise _damaged(path, _first_line(error)) from error
    if sha256 != _content_sha256(tensors, meta_text):
        raise _damaged(path, "its checksum does not match")
    return tensors, meta


def _header(path: Path, file: BinaryIO) -> tuple[dict[str, Any], str, str]:
    """The meta of an open file, the text of that, and the checksum that it names. The tensors must fill the rest
    of the file, so that none is made of more than what is there."""
    size = os.fstat(file.fileno()).st_size
    try:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= size - 8:
            raise ValueError("the header is cut short")
        if length > MAX_TEXT or size > MAX_TENSORS:
            raise ValueError(f"{size:,} bytes, {length:,} of them its header, are too many")
        described = parse_json(file.read(length))
        metadata = described.pop("__metadata__", {})
        if HEADER_KEY not in metadata:
            raise UserError(
                f"{path} is a safetensors file, but not one of Reverie's: give a checkpoint from a run folder"
            )
        ends = [int(end) for _, end in (tensor["data_offsets"] for tensor in described.values())]
        if max(ends, default=0) != size - 8 - length:
            raise ValueError("its tensors do not fill it")
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise _damaged(path, _first_line(error)) from error
    try:
        own = parse_json(metadata[HEADER_KEY])
        meta_text, sha256 = own["meta"], own["sha256"]
        meta = parse_json(meta_text)
        if not isinstance(meta, dict) or not isinstance(sha256, str):
            raise TypeError
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(path, "its header cannot be read") from error
    return meta, meta_text, sha256


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(f"{path} is damaged: restore it from a copy, or make it again (`--again`) ({reason})")


def _own(value: torch.Tensor | np.ndarray) -> torch.Tensor:
    """A contiguous copy on the CPU that shares no memory with anything."""
    import torch

    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
    array = np.array(value, order="C")
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))


def _dtype(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _content_sha256(tensors: Mapping[str, torch.Tensor], meta_text: str) -> str:
    import torch

    digest = hashlib.sha256(json.dumps(meta_text).encode() + b"\n")
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(json.dumps([name, _dtype(tensor), list(tensor.shape)]).encode() + b"\n")
        if tensor.numel():
            digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
