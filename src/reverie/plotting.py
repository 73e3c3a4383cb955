"""matplotlib, imported whatever the environment says of backends.

A notebook's kernel sets MPLBACKEND for all that it starts. Where that names a backend of another environment, importing
matplotlib fails, and with it every package that imports it; we draw on its own canvas and need no backend.
"""

import os
import sys
from contextlib import suppress


def import_matplotlib() -> None:
    """To be called before anything else imports it; leaves it with the backend of MPLBACKEND, if it knows that one."""
    if "matplotlib" in sys.modules:
        return
    wanted = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if wanted is not None:
            os.environ["MPLBACKEND"] = wanted
    if wanted:
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = wanted
