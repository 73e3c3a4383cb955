"""Libraries that look for files of their own in the folder where a command is run, which may be somebody else's: they
find none there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(name: str) -> Iterator[None]:
    """While a library is imported that looks for a file by its `name` alone, there is none."""
    exists = os.path.exists
    os.path.exists = lambda path: path != name and exists(path)
    try:
        yield
    finally:
        os.path.exists = exists
