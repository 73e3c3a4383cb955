"""matplotlib, imported whatever the environment says of backends, and whatever lies in the working folder.

A notebook's kernel sets MPLBACKEND for all that it starts. Where that names a backend of another environment, importing
matplotlib fails, and with it every package that imports it; we draw on its own canvas and need no backend.

It also takes settings from a file there, before those of its user, and that folder may be somebody else's: one of them
has every word of a chart set by LaTeX, a program that reads files, with a preamble from there.
"""

import os
import sys
from contextlib import suppress

from reverie import environment, working_folder

_SETTINGS = "matplotlibrc"


def import_matplotlib() -> None:
    """To be called before anything else imports it; leaves it with the backend of MPLBACKEND, if it knows that one."""
    if "matplotlib" in sys.modules:
        return
    wanted = os.environ.get("MPLBACKEND")
    # there is no other way to have it look elsewhere first
    with environment.variable("MPLBACKEND", None), working_folder.without(_SETTINGS):
        import matplotlib
    if wanted:
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = wanted
