"""Where numbers are kept while something is running: in the run's folder.

Metric keys read `stage/split/name`, as in `vision/train/loss`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, SupportsFloat

from reverie.errors import UserError
from reverie.events import Event, tell
from reverie.reading import parse_json, read_bytes
from reverie.writing import open_to_append, refused, require_there, write_atomically

if TYPE_CHECKING:
    from reverie.event_file import EventFile


METRICS = "metrics.jsonl"
_MAX_METRICS = 2**30
"""Bytes of it that are read at once: ten thousand hours make less."""


class Metrics:
    """Writes `metrics.jsonl` and `tensorboard/` in `run_dir`.

    Each line of `metrics.jsonl` is one JSON object: `stage`, `step`, `time` (seconds since 1970) and the values.
    Each stage has a TensorBoard folder of its own, since steps of different stages count different things.
    """

    def __init__(self, run_dir: Path, *, tensorboard: bool = True) -> None:
        self.path = run_dir / METRICS
        self._tensorboard = run_dir / "tensorboard" if tensorboard else None
        self._writers: dict[str, EventFile] = {}
        self._purge: dict[str, int] = {}
        try:
            run_dir.mkdir(parents=True, exist_ok=True)
            self._file = open_to_append(self.path)
            self._file.seek(0)  # a kill can leave half a line: cut it off, or the next would join it
            self._file.truncate(self._file.read().rfind(b"\n") + 1)
        except OSError as error:
            raise self._refused(error) from error

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Raises UserError where the disk refuses; what is not on it yet is let go."""
        try:
            yield
        except OSError as error:
            self._let_go()
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> UserError:
        return refused(self.path, error, "run the same command again, or choose another run folder")

    def log(self, stage: str, step: int, values: Mapping[str, SupportsFloat]) -> None:
        """Keep `values` (anything that `float` takes); what is not finite becomes null, which JSON can say.

        Raises UserError where the disk refuses.
        """
        numbers = {key: float(value) for key, value in values.items()}
        finite = {key: number if math.isfinite(number) else None for key, number in numbers.items()}
        line = {"stage": stage, "step": int(step), "time": round(time.time(), 3), **finite}
        with self._writing():
            self._file.write(json.dumps(line).encode() + b"\n")
            self._file.flush()
            if self._tensorboard is not None:
                writer = self._writers.get(stage) or self._open_writer(stage, self._tensorboard / stage)
                writer.add(step, {key: number for key, number in finite.items() if number is not None})
        tell(Event(kind="metrics", stage=stage, run=self.path.parent, done=step, values=finite))

    def rewind(self, stage: str, step: int) -> None:
        """Drop what `stage` logged at `step` and later: a run that continues from `step` will log it again."""
        with self._writing():
            self._file.seek(0)
            lines = self._file.read().splitlines(keepends=True)
            self._file.close()
        with write_atomically(self.path) as file:
            file.writelines(line for line in lines if not _is_at_or_after(line, stage, step))
        with self._writing():
            self._file = open_to_append(self.path)
            if writer := self._writers.pop(stage, None):
                writer.close()
        self._purge[stage] = step  # TensorBoard is told by the next file of this stage

    def close(self) -> None:
        """Flush and close everything; a second call does nothing. Raises UserError where the disk refuses."""
        with self._writing():
            self._file.close()
            while self._writers:
                self._writers.popitem()[1].close()

    def _let_go(self) -> None:
        """Closes what is open, whether its last words can be written or not."""
        for writer in (self._file, *self._writers.values()):
            with contextlib.suppress(OSError):
                writer.close()
        self._writers.clear()

    def _open_writer(self, stage: str, folder: Path) -> EventFile:
        from reverie.event_file import EventFile  # late: TensorBoard takes a while to import

        require_there(folder)
        self._writers[stage] = writer = EventFile(folder, self._purge.pop(stage, None))
        return writer

    def __enter__(self) -> Metrics:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self.close()


def lines_sha256(path: Path, stage: str) -> str:
    """SHA-256 of what a stage logged to the file that `Metrics` writes; of nothing where there is no file. A line that
    cannot be read is everybody's, so that none is overlooked. Raises UserError where the file cannot be read."""
    digest = hashlib.sha256()
    if path.exists():
        data = read_bytes(path, _MAX_METRICS)
        for line in data[: data.rfind(b"\n") + 1].splitlines(keepends=True):
            if stage_of(line) in (stage, None):
                digest.update(line)
    return digest.hexdigest()


def stage_of(line: bytes) -> str | None:
    """The stage that a line is of (`memory` for a member's `memory.1`); None where it cannot be read."""
    try:
        return str(parse_json(line)["stage"]).split(".")[0]
    except (ValueError, TypeError, KeyError):
        return None


def _is_at_or_after(line: bytes, stage: str, step: int) -> bool:
    """Whether a line is of `stage` at `step` or later; a line that cannot be read is dropped with them."""
    try:
        entry = parse_json(line)
        return entry["stage"] == stage and entry["step"] >= step
    except (ValueError, TypeError, KeyError):
        return True
