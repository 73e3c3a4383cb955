"""Which version wrote a file: what its metadata say of it, and what is told where another version did."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reverie import __version__
from reverie.errors import UserError


def signed(meta: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of a file that is written now, with the version that can surely read it."""
    return {**meta, "reverie": __version__}


def other_version(path: Path, meta: Mapping[str, Any], reason: str, anew: str) -> UserError:
    """A file that this version cannot read, and why; `anew` says how to make it again. Older files do not name the
    version that wrote them."""
    written = meta.get("reverie")
    if not isinstance(written, str) or written == __version__:
        return UserError(f"{path} was written by another version of reverie ({reason}): {anew}")
    return UserError(
        f"{path} was written by reverie {written}, and this is {__version__} ({reason}): install that version to use "
        f"it, or {anew}"
    )
