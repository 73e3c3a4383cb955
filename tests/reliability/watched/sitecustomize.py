"""Python imports this in every process that has its folder on PYTHONPATH: no socket may lead beyond this machine, and
one that would is refused, and noted in the file that SOCKETS_REFUSED names."""

import os
import sys
from pathlib import Path
from typing import Any

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_TO_AN_ADDRESS = ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg")
_TO_A_NAME = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo")


def _hear(event: str, given: tuple[Any, ...]) -> None:
    if event in _TO_AN_ADDRESS:
        host = given[1][0] if isinstance(given[1], tuple) else None  # a text is a file's name
    elif event in _TO_A_NAME:
        host = given[0][0] if isinstance(given[0], tuple) else given[0]  # none at all is the machine itself
    else:
        return
    if host is not None and host not in _LOOPBACK:
        with Path(os.environ["SOCKETS_REFUSED"]).open("a") as file:
            file.write(f"{event} {host!r}\n")
        raise PermissionError(f"{event}: {host!r} is beyond this machine")


sys.addaudithook(_hear)
