"""NumPy's files as we write them, read without NumPy's own reader: that evaluates their headers, which may be anything,
and makes room for whatever they announce.

Every reader here knows the shape and dtype that it expects, so nothing is made before they are right. Errors are
`ValueError` of one line; who knows the path and the cure says them.
"""

import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, BinaryIO, Literal

import numpy as np

from reverie.reading import open_regular

Layout = Mapping[str, tuple[tuple[int, ...], str]]
"""Name -> shape, where -1 is any length up to `MAX_ANY`, and dtype, as NumPy writes it."""
MAX_ANY = 10_000

_MAGIC = b"\x93NUMPY\x01\x00"
_MAX_HEADER = 4096
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
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            if sorted(entry.filename for entry in entries) != sorted(f"{name}.npy" for name in layout):
                raise ValueError(f"it does not hold {', '.join(layout)}")
            found = {}
            for name, (shape, dtype) in layout.items():
                with archive.open(f"{name}.npy") as member:
                    _, shape = _check_header(member, shape, dtype)
                    data = bytearray(member.read(_num_bytes(shape, dtype) + 1))
                if len(data) != _num_bytes(shape, dtype):
                    raise ValueError(f"{name} has another size")
                found[name] = np.frombuffer(data, dtype).reshape(shape)
            return found
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, OSError, KeyError, IndexError) as error:
        raise ValueError(str(error) or "it is no zip") from error
    except struct.error as error:  # zipfile lets it through, for some cut and some forged ones
        raise ValueError("its directory cannot be read") from error


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
    found = tuple(int(part[:20]) for part in match[2].decode().replace(" ", "").split(",") if part)
    is_any = len(found) == len(shape) and all(
        n == wanted or (wanted == -1 and n <= MAX_ANY) for n, wanted in zip(found, shape, strict=True)
    )
    if not is_any or match[1].decode() != dtype:
        raise ValueError(f"it is {found} {match[1].decode()}, not {shape} {dtype}")
    return len(_MAGIC) + 2 + length, found


def _num_bytes(shape: tuple[int, ...], dtype: str) -> int:
    size = np.dtype(dtype).itemsize
    for length in shape:
        size *= length
    return size
