"""The processes of a session: whatever a command that was started in one of its own has started in turn."""

import os
import signal
from contextlib import suppress
from pathlib import Path


def of_session(session: int) -> list[int]:
    """Their numbers, but for those that have ended and wait for their parent to hear of it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def kill_session(session: int) -> None:
    """Ends them."""
    for pid in of_session(session):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
