"""How long a stage takes, and that it is done, in the run's manifest."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reverie import checkpoint
from reverie.run.folder import RunFolder


class StageClock:
    """Counts the wall time of a stage over all sittings, and keeps it in the manifest."""

    def __init__(self, run: RunFolder, name: str, *, since: float | None = None) -> None:
        """Counts from now, or from `since`, a time of `time.monotonic`."""
        self.run = run
        self.entry = run.stage(name)
        self.entry["status"] = "running"
        self.entry.pop("files", None)  # of an earlier end; they are about to change
        self._before = self.entry["seconds"]
        self._start = time.monotonic() if since is None else since
        run.write_manifest()

    @property
    def seconds(self) -> float:
        """Seconds spent on this stage so far."""
        return self._before + time.monotonic() - self._start

    def beat(self) -> None:
        """Writes the time so far, so that a kill loses little of it."""
        self.entry["seconds"] = round(self.seconds, 3)
        self.run.write_manifest()

    def done(self, files: list[Path], facts: Mapping[str, Any]) -> None:
        """Marks the stage as finished, with checksums of what it made and facts about it."""
        self.entry |= {
            "status": "done",
            "files": {str(file.relative_to(self.run.path)): checkpoint.file_sha256(file) for file in files},
            **facts,
        }
        self.beat()
