"""Files that can be trusted: checksums, and tensors in self-validating safetensors files.

Nothing is pickled: loading a checkpoint runs no code from it. How files are written is told in `writing.py`, how they
are read that others may have written in `reading.py`.

torch is imported by the functions that need it, so that workers which only write episodes do not pay for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from reverie.errors import UserError
from reverie.reading import MAX_TEXT, open_regular, parse_json, unreadable
from reverie.writing import write_atomically, write_json

if TYPE_CHECKING:
    import torch

MAX_TENSORS = 4 * 2**30
"""Bytes of a file of tensors: thrice what the largest recipe makes."""
HEADER_KEY = "reverie"
"""The one key in the safetensors metadata: a JSON text with `meta` (itself a JSON text) and `sha256`. One key, since
the order of several is not fixed and the same content shall give the same bytes."""


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces; UserError where it is missing."""
    with open_regular(path) as file:
        try:
            return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise unreadable(path, error) from error


def save(path: Path, tensors: Mapping[str, torch.Tensor | np.ndarray], meta: Mapping[str, Any] | None = None) -> None:
    """Write `tensors` and `meta` to one safetensors file, atomically, and then a readable `.json` beside it.

    `meta` must be JSON without NaN or infinities; a tensor with one raises UserError. The file checks itself: its
    header holds a SHA-256 over names, dtypes, shapes, bytes and meta. The same content gives the same bytes. The
    sidecar is for people; `load` does not need it.
    """
    from safetensors.torch import save as to_bytes

    own = {name: _own(tensors[name]) for name in sorted(tensors)}
    if (broken := _not_finite(own)) is not None:
        raise UserError(f"{path}: {broken} became no number, and is not written: what was saved before stays")
    meta_text = json.dumps(dict(meta or {}), sort_keys=True, allow_nan=False)
    sha256 = _content_sha256(own, meta_text)
    header = json.dumps({"meta": meta_text, "sha256": sha256}, sort_keys=True)
    data = to_bytes(own, metadata={HEADER_KEY: header})
    with write_atomically(path) as file:
        file.write(data)
    shapes = {name: [_dtype(tensor), list(tensor.shape)] for name, tensor in own.items()}
    write_json(path.with_suffix(".json"), {"meta": json.loads(meta_text), "sha256": sha256, "tensors": shapes})


@contextlib.contextmanager
def as_written(path: Path, anew: str) -> Iterator[None]:
    """Around what takes the content of a file apart whose checksum is right: whatever it lacks is said in a UserError,
    and `anew` says how to make the file again."""
    try:
        yield
    except (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {_first_line(error)}"
        raise UserError(f"{path} does not hold what it should ({reason}): restore it from a copy, or {anew}") from error


def load(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The tensors (on the CPU, in memory of their own) and the meta of a file that `save` wrote.

    Raises UserError where the file is missing, cut short, damaged, was not written by `save`, or holds numbers that are
    none, which `save` writes none of.
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
    if (broken := _not_finite(tensors)) is not None:
        raise _damaged(path, f"{broken} holds numbers that are none")
    return tensors, meta


def _not_finite(tensors: Mapping[str, torch.Tensor]) -> str | None:
    """The first tensor with a NaN or an infinity in it."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            return name
    return None


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
