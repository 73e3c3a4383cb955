"""manifest.json of a run: what made it, on what machine, and what is known of each stage."""

import contextlib
import platform
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import reverie
from reverie import reading
from reverie.devices import Decided, fast_precision, num_cores
from reverie.errors import UserError
from reverie.run.recipe import RunConfig

FORMAT = 1
_VERSIONS = ("torch", "numpy", "gymnasium", "box2d", "numba", "cma")


def new_manifest(config: RunConfig, precision: Decided | None = None) -> dict[str, Any]:
    """Of a run that begins now, on this machine; `precision` is what `auto` means to it, if others decided that."""
    return {
        "format": FORMAT,
        "reverie": reverie.__version__,
        "recipe": config.name,
        "seed": config.seed,
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "machine": _machine(),
        "precision": precision or fast_precision(),
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in _VERSIONS}},
        "stages": {},
    }


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of the run in `path`. Raises UserError where it is damaged or of another format."""
    manifest = reading.read_json(path / "manifest.json")
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise UserError(f"{path / 'manifest.json'} is not a manifest of format {FORMAT}: {cure_of_version(path)}")
    stages = manifest.get("stages")
    entries = stages.values() if isinstance(stages, dict) else [None]
    if not all(isinstance(entry, dict) and {"status", "seconds"} <= set(entry) for entry in entries):
        raise UserError(f"{path / 'manifest.json'} is damaged (its stages cannot be read): restore it from a copy")
    # Older runs name theirs; an agent that was shipped leaves it to each machine.
    manifest.setdefault("precision", fast_precision())
    return manifest


def cure_of_version(path: Path) -> str:
    """What to do about a run in `path` that this version cannot read, by the version that wrote it."""
    manifest = None
    with contextlib.suppress(UserError):
        manifest = reading.read_json(path / "manifest.json")
    written = manifest.get("reverie") if isinstance(manifest, dict) else None
    if not isinstance(written, str) or written == reverie.__version__:
        return "restore it from a copy"
    return (
        f"reverie {written} wrote this run, and this is {reverie.__version__}: install that version to go on with it, "
        f"or make the run anew"
    )


def _machine() -> dict[str, Any]:
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    return {"processor": name, "cores": num_cores(), "system": platform.system()}
