"""NumPy's files as we write them, read without NumPy's own reader: that evaluates their headers, which may be anything,
and makes room for whatever they announce.

The readers of our own files know the shape and dtype that they expect, so nothing is made before they are right; the
one of other people's takes numbers of any, up to a limit. Errors are `ValueError` of one line; who knows the path and
the cure says them.
"""

import contextlib
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, BinaryIO, Literal

import numpy as np

from reverie.reading import open_regular

Layout = Mapping[str, tuple[tuple[int, ...], str]]
"""Name -> shape, where -1 is any length up to `MAX_ANY`, and dtype, as NumPy writes it."""
MAX_ANY = 10_000

_MAGIC = b"\x93NUMPY\x01\x00"
_MAX_HEADER = 4096
_NUMBERS = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
_FOREIGN_MAGIC = re.compile(rb"\x93NUMPY[\x01\x02\x03]\x00")
_FOREIGN_HEADER = re.compile(
    rb"\{'descr': '([<>|=]?[a-zA-Z][0-9]*)', 'fortran_order': (False|True), 'shape': \(([0-9, ]*)\), \} *\n"
)
_HEADER = re.compile(rb"\{'descr': '([<>|][a-z][0-9]+)', 'fortran_order': False, 'shape': \(([0-9, ]*)\), \} *\n")


def mapped(path: Path, shape: tuple[int, ...], dtype: str, mode: Literal["r", "r+"] = "r") -> np.memmap:
    """The array in an `.npy` file, mapped. Raises ValueError where it is another one, or does not fill the file, and
    UserError where that cannot be read."""
    with open_regular(path) as file:
        start, shape = _check_header(file, shape, dtype)
        size = start + _num_bytes(shape, dtype)
        if (found := file.seek(0, 2)) != size:
            raise ValueError(f"{found:,} bytes, not {size:,}")
    return np.memmap(path, dtype, mode, start, shape)


def unzipped(file: BinaryIO, layout: Layout) -> dict[str, np.ndarray]:
    """The arrays in an `.npz` file, those of the layout and no others; what it holds beyond is not unpacked."""
    with _archive(file) as archive:
        entries = archive.infolist()
        if sorted(entry.filename for entry in entries) != sorted(f"{name}.npy" for name in layout):
            raise ValueError(f"it does not hold {', '.join(layout)}")
        found = {}
        for name, (shape, dtype) in layout.items():
            with archive.open(f"{name}.npy") as member:
                _, shape = _check_header(member, shape, dtype)
                found[name] = _filled(member, name, shape, dtype)
        return found


def foreign_unzipped(file: BinaryIO, names: Sequence[str], max_bytes: int) -> dict[str, np.ndarray]:
    """Those of the arrays `names` that there are in an `.npz` file that anybody may have written: numbers or truth
    values of any shape, of at most `max_bytes` each, in the order of bytes of this machine. An array of Python objects
    is refused, since its file is a pickle, and so is a text."""
    with _archive(file) as archive:
        found = {}
        for name in names:
            if f"{name}.npy" not in archive.namelist():
                continue
            with archive.open(f"{name}.npy") as member:
                shape, dtype, is_fortran = _foreign_header(member, name)
                if (size := _num_bytes(shape, dtype)) > max_bytes:
                    raise ValueError(f"{name} has {size:,} bytes, where {max_bytes:,} are the most")
                array = _filled(member, name, shape[::-1] if is_fortran else shape, dtype)
            array = array.T if is_fortran else array
            found[name] = array.astype(array.dtype.newbyteorder("="), copy=False)
        return found


def names_unzipped(file: BinaryIO) -> list[str]:
    """The names of the arrays in an `.npz` file."""
    with _archive(file) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


@contextlib.contextmanager
def _archive(file: BinaryIO) -> Iterator[zipfile.ZipFile]:
    """The archive in a file. What zipfile says of one that is none, or is damaged, becomes a ValueError."""
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, OSError, KeyError, IndexError) as error:
        raise ValueError(str(error) or "it is no zip") from error
    except struct.error as error:  # zipfile lets it through, for some cut and some forged ones
        raise ValueError("its directory cannot be read") from error


def _filled(member: IO[bytes], name: str, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """The array that the rest of a member holds. Raises ValueError where that is more, or less."""
    data = bytearray(member.read(_num_bytes(shape, dtype) + 1))
    if len(data) != _num_bytes(shape, dtype):
        raise ValueError(f"{name} has another size")
    return np.frombuffer(data, dtype).reshape(shape)


def _foreign_header(file: IO[bytes], name: str) -> tuple[tuple[int, ...], str, bool]:
    """Shape, dtype, and whether the first index runs fastest, of whatever NumPy wrote. Raises ValueError where it holds
    anything but numbers."""
    magic = file.read(len(_MAGIC))
    if not _FOREIGN_MAGIC.fullmatch(magic):
        raise ValueError(f"{name} does not begin as NumPy's files do")
    length = int.from_bytes(file.read(2 if magic[6] == 1 else 4), "little")
    text = file.read(min(length, _MAX_HEADER))
    match = _FOREIGN_HEADER.fullmatch(text)
    if not match or len(text) != length:
        raise ValueError(f"{name} is no array of numbers")
    dtype = match[1].decode()
    if dtype.endswith("O"):
        raise ValueError(f"{name} holds Python objects, whose pickles are never loaded")
    if dtype[-2:] not in _NUMBERS:
        raise ValueError(f"{name} holds {dtype}, no numbers")
    return _shape(match[3]), dtype, match[2] == b"True"


def _check_header(file: IO[bytes], shape: tuple[int, ...], dtype: str) -> tuple[int, tuple[int, ...]]:
    """Reads the header at the beginning of an `.npy`; gives its length, and the shape that it says. Raises ValueError
    where that, or the dtype, is another one."""
    if file.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("it does not begin as NumPy's files do")
    length = int.from_bytes(file.read(2), "little")
    text = file.read(min(length, _MAX_HEADER))
    match = _HEADER.fullmatch(text)
    if not match or len(text) != length:
        raise ValueError("its header cannot be read")
    found = _shape(match[2])
    is_any = len(found) == len(shape) and all(
        n == wanted or (wanted == -1 and n <= MAX_ANY) for n, wanted in zip(found, shape, strict=True)
    )
    if not is_any or match[1].decode() != dtype:
        raise ValueError(f"it is {found} {match[1].decode()}, not {shape} {dtype}")
    return len(_MAGIC) + 2 + length, found


def _shape(text: bytes) -> tuple[int, ...]:
    """As it stands in a header; a number of more than 20 digits is cut, and too large as it is."""
    return tuple(int(part[:20]) for part in text.decode().replace(" ", "").split(",") if part)


def _num_bytes(shape: tuple[int, ...], dtype: str) -> int:
    size = np.dtype(dtype).itemsize
    for length in shape:
        size *= length
    return size
