"""How long a stage takes, and that it is done, in the run's manifest."""

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reverie import checkpoint
from reverie.errors import UserError
from reverie.events import Event, tell
from reverie.metrics import lines_sha256
from reverie.run.folder import RunFolder
from reverie.run.stages import CHECKSUMS


class StageClock:
    """Counts the wall time of a stage over all sittings, and keeps it in the manifest."""

    def __init__(self, run: RunFolder, name: str, *, since: float | None = None) -> None:
        """Counts from now, or from `since`, a time of `time.monotonic`."""
        self.run, self.name = run, name
        self.entry = run.stage(name)
        self.entry["status"] = "running"
        for key in CHECKSUMS:  # of an earlier end; they are about to change
            self.entry.pop(key, None)
        self._before = self.entry["seconds"]
        self._start = time.monotonic() if since is None else since
        run.write_manifest()
        self._tell({})

    @property
    def seconds(self) -> float:
        """Seconds spent on this stage so far."""
        return self._before + time.monotonic() - self._start

    def beat(self) -> None:
        """Writes the time so far, so that a kill loses little of it."""
        self.entry["seconds"] = round(self.seconds, 3)
        self.run.write_manifest()

    def done(self, files: list[Path], facts: Mapping[str, Any], states: Sequence[Path] = ()) -> None:
        """Marks the stage as finished, with checksums of what it made, and of the `states` from which it alone may go
        on, of what it logged, and facts about it.

        Raises UserError where a fact is no number: what was made is of no use then.
        """
        if broken := _not_numbers(facts):
            raise UserError(
                f"{self.name}: {broken[0]} became no number: do it anew with other settings (`reverie {self.name} "
                f"--run {self.run.path} --again --set ...`)"
            )
        sums = [
            {file.relative_to(self.run.path).as_posix(): checkpoint.file_sha256(file) for file in those}
            for those in (files, states)
        ]
        logged = lines_sha256(self.run.metrics, self.name)
        self.entry |= {"status": "done", "files": sums[0], "states": sums[1], "metrics": logged, **facts}
        self.beat()
        self._tell(facts)

    def _tell(self, facts: Mapping[str, Any]) -> None:
        values = {"status": self.entry["status"], "seconds": self.entry["seconds"], **facts}
        tell(Event(kind="stage", stage=self.name, run=self.run.path, values=values))


def _not_numbers(facts: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Names of what is infinite or NaN among the facts, which may be nested."""
    found: list[str] = []
    for key, value in facts.items():
        if isinstance(value, Mapping):
            found += _not_numbers(value, f"{prefix}{key}.")
        elif isinstance(value, float) and not math.isfinite(value):
            found.append(prefix + key)
    return found
