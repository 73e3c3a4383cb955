"""Environments are closed when nobody needs their batch any more, and nothing of them stays."""

import weakref
from collections.abc import Sequence
from typing import Any


def closes(batch: object, envs: Sequence[Any]) -> weakref.finalize:
    """Closes the batch's environments of Gymnasium when it is called, or the batch is gone, once."""
    closing = weakref.finalize(batch, _close, envs)
    closing.atexit = False  # the process takes everything with it
    return closing


def _close(envs: Sequence[Any]) -> None:
    for env in envs:
        env.close()
        # Gymnasium leaves its worlds of Box2D behind, whose bodies are their own user data and so keep themselves alive
        # with all that they touch: 160 kB for each car that was ever made.
        if destroy := getattr(env.unwrapped, "_destroy", None):
            destroy()
