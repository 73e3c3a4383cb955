"""Ctrl-C: said at once, over within two seconds, whatever the process is doing and however often it comes."""

import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

GRACE_SECONDS = 1.3
"""For an orderly end; what is on disk is whole at any moment, so that a hard one loses nothing that was kept."""
TIDY_SECONDS = 0.3
"""For the last steps of a hard one."""
INTERRUPTED = 130
"""Exit code."""


class Interruption:
    """Whether somebody has pressed Ctrl-C.

    Python tells its main thread only, which may be inside a library for seconds, or in a place that swallows the
    exception. So a thread of its own hears of it from the operating system, says so, and ends the process if that has
    not ended by itself in time. The first Ctrl-C raises KeyboardInterrupt as usual; those after it do nothing.
    """

    def __init__(self, line: str) -> None:
        """`line` is what is said of it."""
        self.line = line
        self.came = False
        self._saying, self._is_said = threading.Lock(), False

    def watch(self) -> None:
        """From now on, in a process that is ours alone. Does nothing where Ctrl-C is ignored, as in the background of a
        script, or in another thread than the main one."""
        if threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            return
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        signal.signal(signal.SIGINT, self._raise_once)
        signal.set_wakeup_fd(theirs.detach(), warn_on_full_buffer=False)
        threading.Thread(target=self._hear, args=(ours,), name="reverie-interrupt", daemon=True).start()

    def _raise_once(self, _: int, __: FrameType | None) -> None:
        if not self.came:
            self.came = True
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # else one that comes while Python shuts down kills it
            raise KeyboardInterrupt

    def _hear(self, heard: socket.socket) -> None:
        while signal.SIGINT not in heard.recv(4096):
            pass
        self._say()
        time.sleep(GRACE_SECONDS)
        self.end()

    def _say(self) -> None:
        """The line, once: whoever comes first."""
        with self._saying:
            if not self._is_said:
                self._is_said = True
                with suppress(OSError):  # of a terminal that is gone
                    os.write(2, f"\n{self.line}\n".encode(errors="replace"))

    def end(self) -> NoReturn:
        """Ends the process, and all that it has started.

        Not by Python's own way: where the interrupt fell into code that was compiled from a string, that kills the
        process by the same signal once more, whoever has caught the exception.
        """
        self._say()
        tidy = threading.Thread(target=_tidy, daemon=True)
        tidy.start()
        tidy.join(TIDY_SECONDS)
        kill_descendants()
        os._exit(INTERRUPTED)


def _tidy() -> None:
    """Files that a hard end would leave where they are: semaphores of `multiprocessing`, which Dask uses, and agents
    that were unpacked."""
    if util := sys.modules.get("multiprocessing.util"):
        util._run_finalizers(0)


def kill_descendants() -> None:
    """All processes that this one has started, and those that they have started."""
    if sys.platform != "linux":
        return  # workers end by themselves when their main process is no more
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # of a process that has ended meanwhile
            parent = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found = [os.getpid()]
    for pid in found:
        found += children.get(pid, [])
    for pid in found[1:]:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
