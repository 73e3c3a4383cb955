"""torch's compiler, which torch imports with its first optimiser. It makes a folder for what it compiles, by a name
that can be foretold, where all users of a machine may write: whoever made a file there first kept others from training.

We compile nothing with it: while it is imported, that folder is a private one, which goes.
"""

import os
import sys

from reverie import scratch

_FOLDER = "TORCHINDUCTOR_CACHE_DIR"


def import_dynamo() -> None:
    """To be called before the first optimiser. Who has said where that folder is, or has imported it, is heeded. Raises
    UserError where the disk refuses."""
    if _FOLDER in os.environ or "torch._dynamo" in sys.modules:
        return
    with scratch.temporary() as folder:
        os.environ[_FOLDER] = str(folder)
        try:
            import torch._dynamo  # noqa: F401
        finally:
            del os.environ[_FOLDER]
