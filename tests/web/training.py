"""A run whose search goes on while others look."""

from pathlib import Path

from reverie.checkpoint import file_sha256
from reverie.models.files import load_controller, save_controller
from reverie.run.folder import RunFolder


def made_for(run: RunFolder) -> dict[str, str]:
    """What a C of the run says of V and M."""
    return {"vision_sha256": file_sha256(run.vision), "memory_sha256": file_sha256(run.memory)}


def search_goes_on(run: RunFolder, step: float) -> Path:
    """The search is open again, and where it is now: the C that the run kept, with `step` added to each parameter."""
    run.reopen("controller")
    controller, params = load_controller(run.controller)
    current = run.evolution / "current.safetensors"
    save_controller(current, controller, params + step, **made_for(run))
    return current
