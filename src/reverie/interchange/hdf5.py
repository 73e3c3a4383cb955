"""What a file of HDF5 can do beside holding numbers: have parts of other files appear as its own, whatever they are;
announce arrays that nobody has room for; hold itself. Such a file is refused before anything of it is read."""

from pathlib import Path

import h5py

from reverie.reading import open_regular

MAX_BYTES = 2**31
"""Of a group, unpacked: 170,000 frames."""
_MAX_OBJECTS = 10_000


def require_plain(path: Path, group: str) -> None:
    """Raises ValueError where `group` of the file, at its root, leads out of the file, or is too large; UserError where
    the file cannot be read."""
    open_regular(path).close()
    with h5py.File(path, "r") as file:
        size, waiting, seen = 0, [(file, group)], 0
        while waiting:
            parent, name = waiting.pop()
            seen += 1
            if not isinstance(parent.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{name} is missing, or a link")
            found = parent[name]
            if isinstance(found, h5py.Group):
                waiting += [(found, each) for each in found]
            elif isinstance(found, h5py.Dataset):
                if found.external or found.is_virtual:
                    raise ValueError(f"{name} lies in another file")
                size += found.nbytes
            if size > MAX_BYTES or seen + len(waiting) > _MAX_OBJECTS:
                raise ValueError(f"{group} holds more than {MAX_BYTES:,} bytes, or {_MAX_OBJECTS:,} parts")
