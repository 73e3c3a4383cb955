"""torch's compiler, which torch imports with its first optimiser, and by which it exports. It makes a folder for what
it compiles, by a name that can be foretold, where all users of a machine may write: whoever made a file there first
kept others from training, and one that belongs there says which parts of the compiler do their work.

We compile nothing with it, and give it a private folder, which goes.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from reverie import environment, scratch

_FOLDER = "TORCHINDUCTOR_CACHE_DIR"


@contextmanager
def in_private() -> Iterator[None]:
    """While an optimiser is made, or something exported. Who has said where that folder is, is heeded. Raises UserError
    where the disk refuses."""
    if _FOLDER in os.environ:
        yield
        return
    with scratch.temporary() as folder, environment.variable(_FOLDER, str(folder)):
        yield
