"""Becomes ViZDoom's game, such as ends with its owner; a program of its own, which imports nothing of this package.

Arguments: the process id of the owner, a folder to work in, and the command.
"""

import os
import signal
import sys

_SET_PARENT_DEATH_SIGNAL = 1  # of Linux's prctl


def _main() -> None:
    owner, folder, *command = sys.argv[1:]
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != int(owner):  # it ended in the meantime
        sys.exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of a terminal's processes; the owner decides
    os.chdir(folder)  # a game makes a folder where it is started
    os.execv(command[0], command)


if __name__ == "__main__":
    _main()
