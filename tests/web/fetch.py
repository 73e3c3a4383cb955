"""Asks a server for something, just as it is written."""

from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlsplit

PATIENCE = 120
"""Seconds, of a busy machine."""


def get(address: str, path: str | None = None, method: str = "GET", **headers: str) -> tuple[HTTPResponse, bytes]:
    """The answer to a request for `path` at the server of `address`, or for the address itself, and its body."""
    where = urlsplit(address)
    connection = HTTPConnection(where.netloc, timeout=PATIENCE)
    connection.putrequest(method, where.path if path is None else path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body
