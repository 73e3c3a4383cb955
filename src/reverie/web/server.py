"""What `reverie play --web` listens with: 127.0.0.1 alone, and only to who knows the address.

Other programs of this machine may connect, and so may any page that is open in a browser, which can even let its own
name point here (DNS rebinding). So the address holds a token; a request names this host and port as `Host`; a
websocket, which browsers let any page open, must come from a page of ours (`Origin`); and nothing that is served may
load or tell anything elsewhere. No path leads to a file. A browser is started with another address, which leads here
once: whoever lists this machine's processes reads it there, and is too late.
"""

import itertools
import secrets
import socket
import threading
from asyncio import Transport
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect
from uvicorn.protocols.http.h11_impl import H11Protocol

from reverie.errors import UserError

MAX_MESSAGE = 4096
"""Bytes of a message of a tab."""
MAX_CONNECTIONS = 100
MAX_STRANGERS = 50
"""Connections that have not asked for anything yet: the oldest makes room for the next."""
PATIENCE_SECONDS = 10.0
"""For the first request of a connection."""
CLOSED_CONTENT = "default-src 'none'; frame-ancestors 'none'"
"""The policy of what is no page."""
HEADERS = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Guard:
    """Lets through to `app` who knows the token and comes from here, with the path after it; answers get HEADERS."""

    def __init__(self, app: ASGIApp, token: str, once: str, port: int) -> None:
        """Who comes with the token `once`, and is the first to, is led to `token`."""
        self.app, self._token, self._once = app, token, once
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        token, _, path = scope["path"].removeprefix("/").partition("/")
        refusal = self._refusal(scope)
        if not refusal and scope["type"] == "http" and self._once and _is_same(token, self._once):
            self._once = ""
            await RedirectResponse(f"/{self._token}/", 303)(scope, receive, _with_headers(send))
            return
        if not refusal and not _is_same(token, self._token):
            refusal = "The address is not the one that reverie play printed."
        if refusal and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: an answer of 403
        elif refusal:
            await PlainTextResponse(f"{refusal}\n", 403, {"connection": "close"})(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            with suppress(WebSocketDisconnect):  # it went while something was on its way to it
                await self.app({**scope, "path": f"/{path}"}, receive, _to_who_may_be_gone(send))
        else:
            await self.app({**scope, "path": f"/{path}"}, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> str:
        """Why not, by where it comes from, or nothing."""
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return "This server answers to 127.0.0.1 alone."
        if origins != [f"http://{hosts[0]}"] and (origins or scope["type"] == "websocket"):
            return "This comes from another page."
        return ""


def _is_same(token: str, known: str) -> bool:
    return secrets.compare_digest(token.encode(), known.encode())


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message["headers"])
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("content-security-policy", CLOSED_CONTENT)
        await send(message)

    return sending


def _to_who_may_be_gone(send: Send) -> Send:
    """uvicorn raises an error of ours where it has hung up itself, on what was too long or no message at all; Starlette
    takes an OSError for that, and says WebSocketDisconnect."""

    async def sending(message: Message) -> None:
        try:
            await send(message)
        except RuntimeError as error:
            if "after sending 'websocket.close'" not in str(error):
                raise
            raise OSError("the server has hung up") from error

    return sending


def _said(_: Request, error: Exception) -> Response:
    """A run that cannot be read at the moment."""
    return PlainTextResponse(f"{error}\n", 503)


_NUMBERS = itertools.count()


class _Connection(H11Protocol):
    """One that has to say what it wants. Who opens many and says nothing, or a letter now and then, keeps nobody out:
    who is refused is shut out at once, so those that stay have asked for something, and know the address."""

    def connection_made(self, transport: Transport) -> None:
        """asyncio."""
        super().connection_made(transport)
        self.number = next(_NUMBERS)
        strangers = [each for each in self.connections if isinstance(each, _Connection) and each.cycle is None]
        if len(strangers) > MAX_STRANGERS:
            oldest = min(strangers, key=lambda each: each.number)
            oldest.transport.abort()
            self.connections.discard(oldest)  # uvicorn would hear of it when others have come
        self.loop.call_later(PATIENCE_SECONDS, self._give_up)

    def _give_up(self) -> None:
        if self in self.connections and self.cycle is None:  # it still is one, and has not become a websocket
            self.transport.abort()


class Serving(threading.Thread):
    """A server in a thread of its own, from `start` on."""

    def __init__(self, routes: Sequence[BaseRoute], listening: socket.socket) -> None:
        super().__init__(name="reverie-web-server", daemon=True)
        token, once, port = secrets.token_urlsafe(24), secrets.token_urlsafe(24), listening.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}/{token}/"
        self.address_once = f"http://127.0.0.1:{port}/{once}/"
        """Leads to the other one, the first time."""
        self._socket = listening
        app = Starlette(routes=list(routes), exception_handlers={UserError: _said})
        app.router.redirect_slashes = False
        self._server = uvicorn.Server(
            uvicorn.Config(
                Guard(app, token, once, port),
                http=_Connection,
                ws="websockets-sansio",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                log_level="error",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                ws_max_size=MAX_MESSAGE,
                ws_per_message_deflate=False,
                h11_max_incomplete_event_size=4 * MAX_MESSAGE,
                limit_concurrency=MAX_CONNECTIONS,
                timeout_graceful_shutdown=1,
            )
        )

    def run(self) -> None:
        """Until `end`."""
        self._server.run([self._socket])

    def end(self) -> None:
        """Closes every connection, and waits until that is done."""
        self._server.should_exit = True
        self.join()


@contextmanager
def serving(routes: Sequence[BaseRoute], port: int = 0) -> Iterator[Serving]:
    """Serves `routes` on a port of 127.0.0.1, 0 for any that is free. Raises UserError where it is taken."""
    listening = socket.socket()
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen(MAX_CONNECTIONS)
    except OSError as error:
        listening.close()
        raise UserError(f"--port {port} cannot be had ({error.strerror}): give another, or none for any") from error
    server = Serving(routes, listening)
    server.start()
    try:
        yield server
    finally:
        server.end()
