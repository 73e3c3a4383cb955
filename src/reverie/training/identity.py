"""Whose a state is from which a stage goes on: one of another run is not gone on from, and says so.

A state that an earlier version wrote says nothing, and is taken for the run's own.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reverie.errors import UserError
from reverie.run import settings
from reverie.run.folder import RunFolder
from reverie.run.stages import EXTENDABLE, LENGTHS

_FREE = {*EXTENDABLE, *(f"{stage}.{length}" for stage, length in LENGTHS.items())}
"""Settings that a stage may be given while it goes on."""


def identity(run: RunFolder, stage: str, **made_from: str) -> dict[str, Any]:
    """What a state of this run's stage follows from: seed, checksums of what it is `made_from`, and the stage's own
    settings but for its length. JSON can hold it."""
    flat = settings.flatten(run.config)
    own = {key: value for key, value in flat.items() if key.startswith(f"{stage}.") and key not in _FREE}
    return json.loads(json.dumps({"seed": run.config.seed, **made_from, **own}))


def require_own(path: Path, kept: Any, own: Mapping[str, Any], anew: str) -> None:
    """Raises UserError where a state in `path`, which follows from what it has `kept`, is not one's `own`; `anew` says
    how to begin again. What only one of them knows, since another version wrote it, does not count."""
    if not isinstance(kept, Mapping):
        return
    for key in own.keys() & kept.keys():
        if own[key] != kept[key]:
            raise UserError(
                f"{path} is of another run ({key} = {kept[key]!r} there, and {own[key]!r} here): restore this run's "
                f"own from a copy, or begin again with {anew}"
            )
