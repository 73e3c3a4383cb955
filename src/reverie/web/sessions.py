"""Worlds that cannot run in a page run here: a session of `reverie play` for each tab, over a websocket.

A tab asks for one decision after the other, as text: {"held": [keys that are down], "press": [commands]}. Each is
answered with bytes, so that neither side can outrun the other:

    4 bytes   n, the length of the state (little-endian, unsigned)
    n bytes   the state: JSON
    pictures  (64, 64, 3) uint8 each, as many as `captions` of the state says, and the large one before them
"""

import json
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, get_args

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from reverie.errors import UserError
from reverie.play.session import PEDALS, Command, Session, held_keys, keys_of
from reverie.web.followed import page_response
from reverie.web.newest import Newest
from reverie.web.page import session_page
from reverie.web.worker import Worker

MAX_SESSIONS = 8
MAX_KEYS = 16
"""In one message."""
DIGITS = tuple("0123456789")
COMMANDS: tuple[Command, ...] = get_args(Command)
BAD, BUSY, BROKEN = 1008, 1013, 1011
"""Codes that a websocket is closed with."""


class Asked(NamedTuple):
    """A message of a tab."""

    held: frozenset[str]
    press: tuple[Command, ...]


def read_message(text: str | None) -> Asked | None:
    """What a tab asks for; None where that makes no sense."""
    try:
        value = json.loads(text or "")
    except (ValueError, RecursionError):
        return None
    match value:
        case {"held": [*held], "press": [*press], **rest} if not rest and max(len(held), len(press)) <= MAX_KEYS:
            if _are_among(held, (*PEDALS, *DIGITS)) and _are_among(press, COMMANDS):
                return Asked(frozenset(held), tuple(press))
    return None


def _are_among(words: list[Any], known: Sequence[str]) -> bool:
    return all(isinstance(word, str) and word in known for word in words)


class Sessions:
    """The sessions of all tabs, at most MAX_SESSIONS."""

    def __init__(self, name: str, make: Callable[[], Session], newest: Newest, worker: Worker) -> None:
        """`make` gives a session with C as `newest` has it; `name` is that of the run."""
        self._name, self._make, self._newest, self._worker = name, make, newest, worker
        self.num_open = 0

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """The page, and the websocket that it opens."""
        return [Route("/", self._page), WebSocketRoute("/drive", self._drive)]

    async def _page(self, _: Request) -> Response:
        return page_response(session_page(self._name))

    async def _drive(self, tab: WebSocket) -> None:
        """One tab, from its opening to its end. WebSocketDisconnect where it went while something was on its way."""
        await tab.accept()
        if self.num_open >= MAX_SESSIONS:
            await tab.close(BUSY, f"{MAX_SESSIONS} tabs drive already: close one of them, then reload this")
            return
        self.num_open += 1
        session: _Session | None = None
        try:
            session = await self._worker.do(_Session, self._make, self._newest)
            await tab.send_bytes(await self._worker.do(session.seen))
            while (message := await tab.receive())["type"] != "websocket.disconnect":
                asked = read_message(message.get("text"))
                if asked is None:
                    await tab.close(BAD, "this makes no sense to the server")
                    return
                await tab.send_bytes(await self._worker.do(session.go_on, asked))
        except UserError as error:
            said = str(error).encode(errors="replace")[:120]  # as much as fits
            await tab.close(BROKEN, said.decode(errors="ignore"))
        finally:
            if session:
                await self._worker.do(session.close)
            self.num_open -= 1


class _Session:
    """One tab's, with the newest C."""

    def __init__(self, make: Callable[[], Session], newest: Newest) -> None:
        newest.look()
        self._session, self._newest, self._version, self._models = make(), newest, newest.version, newest.models

    def go_on(self, asked: Asked) -> bytes:
        """One decision, and what is seen after it."""
        self._follow()
        for command in asked.press:
            self._session.press(command)
        self._session.hold(asked.held)
        return self.seen()

    def close(self) -> None:
        """Its tab is gone."""
        self._session.close()

    def _follow(self) -> None:
        newest = self._newest
        newest.look()
        if newest.version == self._version or newest.controller is None or newest.params is None:
            return
        self._version = newest.version
        if newest.models != self._models:
            self._session.message = "V or M was made anew: start reverie play again"
        else:
            self._session.take(newest.controller, newest.params)

    def seen(self) -> bytes:
        """State and pictures."""
        session = self._session
        large, small = session.pictures()
        state = {
            "mode": session.mode,
            "track": session.track,
            "dream": session.num_dreams,
            "ret": session.score.ret,
            "decisions": session.score.decisions,
            "over": session.score.is_over,
            "temperature": session.temperature,
            "autopilot": session.autopilot,
            "paused": session.paused,
            "message": session.message or self._newest.trouble,
            "seconds": session.seconds,
            "act": session.act.tolist(),
            "bars": session.spec.actions.bars,
            "keys": held_keys(session.spec.actions),
            "help": keys_of(session.spec.actions),
            "captions": [caption for caption, _ in small],
        }
        text = json.dumps(state).encode()
        pictures = [large, *(picture for _, picture in small)]
        return b"".join([struct.pack("<I", len(text)), text, *(picture.tobytes() for picture in pictures)])
