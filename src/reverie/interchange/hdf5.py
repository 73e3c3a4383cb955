"""What a file of HDF5 can do beside holding numbers: have parts of other files appear as its own, whatever they are;
announce arrays that nobody has room for; hold itself; say the same text or picture a million times; hold pictures that
are small until they are unpacked. Such a file is refused before more of it is read than there is room for."""

import io
import math
import warnings
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from reverie.data.store import MAX_DECISIONS
from reverie.reading import open_regular

MAX_BYTES = 2**31
"""Of a group, unpacked: 170,000 frames."""
_MAX_OBJECTS = 10_000
_PIXEL = 4
"""Bytes, at most."""
_REFERENCE = 16
"""Bytes in a row that is kept elsewhere in the file, each of its own length."""


def require_plain(path: Path, group: str, *, pictures: bool) -> None:
    """Raises ValueError where `group` of the file, at its root, leads out of the file, or is too large; UserError where
    the file cannot be read. `pictures` says that bytes may be those of files of pictures, to be unpacked."""
    open_regular(path).close()
    with h5py.File(path, "r", rdcc_nbytes=2 * _REFERENCE * MAX_DECISIONS) as file:
        size, seen = 0, 0
        waiting: list[tuple[h5py.Group, str]] = [(file, group)]
        while waiting:
            parent, name = waiting.pop()
            seen += 1
            if not isinstance(parent.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{name} is missing, or a link")
            found = parent[name]
            if isinstance(found, h5py.Group):
                waiting += [(found, str(each)) for each in found]
            elif isinstance(found, h5py.Dataset):
                if found.external or found.is_virtual:
                    raise ValueError(f"{name} lies in another file")
                size += max(found.nbytes, _num_bytes_of_a_chunk(found))
                if size <= MAX_BYTES and (found.dtype.hasobject or (pictures and _may_be_pictures(found))):
                    size += _num_bytes_of_rows(found, name)
            if size > MAX_BYTES or seen + len(waiting) > _MAX_OBJECTS:
                raise ValueError(f"{group} holds more than {MAX_BYTES:,} bytes, or {_MAX_OBJECTS:,} parts")


def _may_be_pictures(found: h5py.Dataset) -> bool:
    """Whether each row may be a file of a picture: those of one length are rows of bytes."""
    return found.dtype == np.uint8 and found.ndim == 2


def _num_bytes_of_a_chunk(found: h5py.Dataset) -> int:
    """What is unpacked at once, however little of it there is in the array."""
    return math.prod(found.chunks or ()) * (_REFERENCE if found.dtype.hasobject else found.dtype.itemsize)


def _num_bytes_of_rows(found: h5py.Dataset, name: str) -> int:
    """What the rows take, each of its own length, or as a picture; counted until that is too much. Raises ValueError
    for rows that are no text and no bytes."""
    is_text = h5py.check_string_dtype(found.dtype) is not None
    if found.dtype.hasobject:
        if (not is_text and h5py.check_vlen_dtype(found.dtype) != np.uint8) or found.ndim > 1:
            raise ValueError(f"{name} holds {found.dtype}, which is no number, text or picture")
        if _num_bytes_of_a_chunk(found) > _REFERENCE * MAX_DECISIONS:
            raise ValueError(f"{name} lies in pieces of more than {MAX_DECISIONS:,} rows")
    if found.ndim > 0 and len(found) > MAX_DECISIONS + 1:
        raise ValueError(f"{name} has {len(found):,} rows, where {MAX_DECISIONS + 1:,} are the most")
    size = largest = 0
    rows = found if found.dtype.hasobject and found.ndim else np.atleast_1d(found[()])
    for row in rows:
        size += len(row)
        if not is_text:
            largest = max(largest, _unpacked(row))
        if max(size, largest * len(rows)) > MAX_BYTES:
            break
    return max(size, largest * len(rows))


def _unpacked(row: np.ndarray) -> int:
    """What a picture takes whose file that is; 0 where it is none. Its head says so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of one that is large, which is judged here
        try:
            with Image.open(io.BytesIO(row.tobytes())) as picture:
                return picture.width * picture.height * _PIXEL
        except Image.DecompressionBombError:
            return MAX_BYTES + 1
        except Exception:
            return 0
