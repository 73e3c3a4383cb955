"""Reverie: world models for CarRacing, from nothing to a driving agent.

`load`, `train`, `train_events`, `make_dream` and `make_road` are what most programs need (docs/python.md). Importing
this package loads nothing else; each name is loaded when it is used.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reverie.api.driver import Driver
    from reverie.api.run import Run, load, make_dream, make_road
    from reverie.api.train import train, train_events
    from reverie.errors import UserError
    from reverie.events import Event

if "OMP_WAIT_POLICY" not in os.environ:
    # For how many turns torch's threads spin when they wait for each other, before they sleep: read when torch is
    # loaded. By default it is milliseconds, in which they keep others from the cores, and on a busy machine each other.
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")

__version__ = "0.1.0"
__all__ = ["Driver", "Event", "Run", "UserError", "load", "make_dream", "make_road", "train", "train_events"]

_MODULES = {
    "Driver": "reverie.api.driver",
    "Event": "reverie.events",
    "Run": "reverie.api.run",
    "UserError": "reverie.errors",
    "load": "reverie.api.run",
    "make_dream": "reverie.api.run",
    "make_road": "reverie.api.run",
    "train": "reverie.api.train",
    "train_events": "reverie.api.train",
}


def __getattr__(name: str) -> Any:
    """What a program takes from here, loaded now."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
