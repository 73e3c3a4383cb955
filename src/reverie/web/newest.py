"""The newest C of a run that may be training meanwhile: its file is watched by digest, and only ever read whole."""

from pathlib import Path

import numpy as np

from reverie import checkpoint
from reverie.errors import UserError
from reverie.models.controller import Controller
from reverie.models.files import check_made_for, load_controller
from reverie.run.folder import RunFolder


def newest_controller(run: RunFolder) -> Path | None:
    """The C that the run keeps, or while it is searched where the search is; None before the first is there."""
    if run.is_done("controller"):
        return run.controller
    current = run.evolution / "current.safetensors"
    return current if current.is_file() else None


class Newest:
    """C as it was when somebody looked last. What cannot be read then leaves the one before, and is said in `trouble`:
    whoever trains may be half way through making all of it anew."""

    def __init__(self, path: Path) -> None:
        """`path` of a run. Raises UserError where V or M is missing or damaged, or C was not made for them."""
        self.path = path
        self.file: Path | None = None
        """Where C is; None while there is none."""
        self.controller: Controller | None = None
        self.params: np.ndarray | None = None
        """(p,)"""
        self.version = self.models = self.trouble = ""
        """Digests of C's file and of the V and M that it was made for; what is wrong now."""
        self._stamp = self._stamp_now()
        self._read()

    def look(self) -> None:
        """Reads C again if files have changed."""
        stamp = self._stamp_now()
        if stamp == self._stamp:
            return
        self._stamp, self.trouble = stamp, ""
        try:
            self._read()
        except UserError as error:
            self.trouble = str(error)

    def _read(self) -> None:
        run = RunFolder.open(self.path)
        run.require_models()
        file = newest_controller(run)
        models = " ".join(map(checkpoint.file_sha256, (run.vision, run.memory)))
        if file is None:
            self.models = self.models or models
            return
        if file == run.controller:
            run.verify("controller")
        version = checkpoint.file_sha256(file)  # first: of a file that is replaced now, the next look takes the rest
        controller, params = load_controller(file)
        check_made_for(file, run.path)
        self.file, self.controller, self.params = file, controller, params
        self.version, self.models = version, models

    def _stamp_now(self) -> list[tuple[int, int, int] | None]:
        """By which a file that was replaced is told from the one before, without reading it."""
        names = ("manifest.json", "controller.safetensors", "evolution/current.safetensors")
        return [_stamp(self.path / name) for name in names]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
