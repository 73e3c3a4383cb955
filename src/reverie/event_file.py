"""A file that TensorBoard reads, written in the caller's own thread, so that a full disk is the caller's to know."""

import contextlib
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog  # pyright: ignore[reportAttributeAccessIssue] (protobuf makes them)
from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]
from tensorboard.summary.writer.record_writer import RecordWriter

FLUSH_SECONDS = 10.0
_VERSION = "brain.Event:2"
_PREFIX = "events.out.tfevents."


class EventFile:
    """A new file of scalars in `folder`. With `purge_step`, TensorBoard forgets what earlier files there say of that
    step and later ones. Every method raises OSError where the disk refuses."""

    def __init__(self, folder: Path, purge_step: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / f"{_PREFIX}{_stamp(folder):010}.{socket.gethostname()}.{os.getpid()}").open("xb")
        self._records = RecordWriter(self._file)
        self._add(Event(wall_time=time.time(), file_version=_VERSION))
        if purge_step is not None:
            self._add(Event(wall_time=time.time(), step=purge_step, session_log=SessionLog(status=SessionLog.START)))
        self._flushed = time.monotonic()
        try:
            self._file.flush()
        except OSError:
            with contextlib.suppress(OSError):
                self._file.close()
            raise

    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        """Scalars of a step, by their tags."""
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
        self._add(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))
        if time.monotonic() - self._flushed >= FLUSH_SECONDS:
            self._file.flush()
            self._flushed = time.monotonic()

    def close(self) -> None:
        """Writes what is left."""
        self._file.close()

    def _add(self, event: Event) -> None:
        self._records.write(event.SerializeToString())


def _stamp(folder: Path) -> int:
    """Seconds since 1970, or the next number where `folder` has a file of this second or of a later one: TensorBoard
    reads a folder's files in the order of their names, so the newest one has to come last, whatever the clock says."""
    stamps = (path.name.removeprefix(_PREFIX).split(".")[0] for path in folder.glob(f"{_PREFIX}*"))
    return max([int(time.time()), *(int(stamp) + 1 for stamp in stamps if stamp.isdecimal())])
