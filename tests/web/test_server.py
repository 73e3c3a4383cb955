"""What `reverie play --web` serves: to whom, and what it does to those who ask for something else."""

import contextlib
import gc
import json
import socket
import struct
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest

pytest.importorskip("uvicorn")  # of the extra `web`

from tests.web.fetch import PATIENCE, get
from tests.web.training import search_goes_on
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Close
from websockets.sync.client import ClientConnection, connect

from reverie.agent import Agent
from reverie.dream.moments import load_moments
from reverie.envs.config import EnvConfig
from reverie.errors import UserError
from reverie.models.files import load_controller, load_models
from reverie.play.session import Session
from reverie.run.folder import RunFolder
from reverie.web.newest import Newest
from reverie.web.server import HEADERS, MAX_CONNECTIONS, MAX_MESSAGE, MAX_STRANGERS, _Connection, serving
from reverie.web.sessions import MAX_SESSIONS, Sessions
from reverie.web.worker import Worker

UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
NOTHING = json.dumps({"held": [], "press": []})
WORLDS = Path(__file__).parents[1] / "worlds"


class Site(NamedTuple):
    """A server, and what it keeps."""

    address: str
    sessions: Sessions
    born: "weakref.WeakSet[Session]"
    """Sessions that are alive."""

    @property
    def origin(self) -> str:
        return self.address.rpartition("/")[0].rpartition("/")[0]

    def drive(self, **options: Any) -> ClientConnection:
        """A tab's websocket, from the page itself if not said otherwise."""
        given = {"origin": self.origin, "open_timeout": PATIENCE, "max_size": None} | options
        return connect(self.address.replace("http", "ws") + "drive", **given)

    def wait(self, num_open: int) -> None:
        """Until so many sessions are open; hangs where that never comes."""
        while self.sessions.num_open != num_open:
            time.sleep(0.01)


Serve = Callable[..., Site]


@pytest.fixture
def serve(tiny_run: RunFolder) -> Iterator[Serve]:
    """Serves sessions of the tiny run."""
    contexts = []

    @contextlib.contextmanager
    def site(env: EnvConfig) -> Iterator[Site]:
        controller, params = load_controller(tiny_run.controller)
        agent = Agent(*load_models(tiny_run.path), controller, tiny_run.config.agent)
        moments, _ = load_moments(tiny_run.dream, tiny_run.memory)
        born: weakref.WeakSet[Session] = weakref.WeakSet()

        def make() -> Session:
            session = Session(agent, params, moments, env, track=7)
            born.add(session)
            return session

        worker = Worker()
        sessions = Sessions("tiny", make, Newest(tiny_run.path), worker)
        with serving(sessions.routes) as server:
            yield Site(server.address, sessions, born)
        worker.end()

    def begin(env: EnvConfig = tiny_run.config.env) -> Site:
        contexts.append(site(env))
        return contexts[-1].__enter__()

    yield begin
    for context in contexts:
        context.__exit__(None, None, None)


class Seen(NamedTuple):
    """An answer."""

    state: dict[str, Any]
    pictures: np.ndarray
    """(n, 64, 64, 3)"""


def read(answer: str | bytes) -> Seen:
    assert isinstance(answer, bytes)
    (length,) = struct.unpack_from("<I", answer)
    pictures = np.frombuffer(answer, np.uint8, offset=4 + length)
    return Seen(json.loads(answer[4 : 4 + length]), pictures.reshape(-1, 64, 64, 3))


def ask(tab: ClientConnection, held: list[str] | None = None, press: list[str] | None = None) -> Seen:
    tab.send(json.dumps({"held": held or [], "press": press or []}))
    return read(tab.recv())


def test_the_page_of_a_session(serve: Serve):
    site = serve()
    answer, _ = get(site.address)
    assert answer.status == 200
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert policy.count("'sha256-") == 4
    assert "'unsafe-eval'" not in policy
    assert "script-src 'unsafe-inline'" not in policy


def test_who_does_not_know_the_token_gets_nothing(serve: Serve):
    site = serve()
    where, token = urlsplit(site.address), site.address.split("/")[3]
    assert len(token) >= 32
    unknown = (
        "/",
        "",
        "/x/",
        "/drive",
        "//",
        f"/{token}x/",
        f"/{token[:16]}/",
        f"/{token.swapcase()}/",
        "/é/",
        "/%00/",
    )
    for path in unknown:
        with socket.create_connection((where.hostname, where.port or 0), PATIENCE) as raw:
            raw.sendall(f"GET {path} HTTP/1.1\r\nHost: {where.netloc}\r\nConnection: close\r\n\r\n".encode())
            assert raw.recv(100).split()[1] in (b"403", b"400"), path  # 400: no path at all


def test_tokens_differ(serve: Serve):
    assert serve().address.split("/")[3] != serve().address.split("/")[3]


def test_there_is_nothing_else(serve: Serve):
    site = serve()
    outside = ("../", "../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "..%2f..%2fx", "/etc/passwd", "..\\x")
    for path in (*outside, "static/app.js", "index.html", "drive/", "drive"):
        answer, _ = get(site.address, urlsplit(site.address).path + path)
        assert answer.status == 404, path
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert get(site.address, method=method)[0].status == 405, method


def test_another_host_is_refused(serve: Serve):
    site = serve()
    port = urlsplit(site.address).port
    assert get(site.address, Host=f"localhost:{port}")[0].status == 200
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", "127.0.0.1:1", f"127.0.0.1.nip.io:{port}", ""):
        assert get(site.address, Host=host)[0].status == 403, host
        where = urlsplit(site.address)
        with socket.create_connection((where.hostname, where.port or 0), PATIENCE) as raw:
            asked = [f"GET {where.path}drive HTTP/1.1", f"Host: {host}", f"Origin: http://{host}", *UPGRADE, "", ""]
            raw.sendall("\r\n".join(asked).encode())
            assert raw.recv(100).split()[1] == b"403", host
    assert not site.born


def test_another_page_opens_no_websocket(serve: Serve):
    site = serve()
    name = site.origin.removeprefix("http://")
    for origin in (None, "null", "http://evil.example", f"https://{name}", "http://127.0.0.1:1", f"{site.origin}.evil"):
        with pytest.raises(InvalidStatus) as refused:
            site.drive(origin=origin)
        assert refused.value.response.status_code == 403, origin
        if origin:
            assert get(site.address, Origin=origin)[0].status == 403, origin
    assert not site.born


def test_a_websocket_needs_the_token(serve: Serve):
    site = serve()
    for path in ("/drive", "/wrong/drive", f"{urlsplit(site.address).path}other"):
        with pytest.raises(InvalidStatus) as refused:
            connect(site.origin.replace("http", "ws") + path, origin=site.origin, open_timeout=PATIENCE)  # type: ignore[arg-type]
        assert refused.value.response.status_code == 403


def test_a_tab_drives(serve: Serve):
    with serve().drive() as tab:
        first = read(tab.recv())
        assert (first.state["mode"], first.state["track"], first.state["decisions"]) == ("real", 7, 0)
        assert first.state["keys"] == ["left", "right", "gas", "brake"]
        steered = ask(tab, ["left", "gas"])
        np.testing.assert_allclose(steered.state["act"], [-0.24, 0.24, 0], atol=1e-6)
        assert steered.state["decisions"] == 1
        assert [len(first.pictures), len(steered.pictures)] == [2, 3]
        assert steered.state["captions"] == ["what V keeps", "what M expected"]
        dreamt = ask(tab, press=["switch", "warmer", "autopilot"])
        assert (dreamt.state["mode"], dreamt.state["temperature"], dreamt.state["autopilot"]) == ("dream", 1.1, True)
        assert np.array_equal(dreamt.pictures[1], steered.pictures[0]), "the real road waits"
        assert ask(tab, press=["switch", "anew"]).state["track"] == 8


def test_each_tab_has_a_session_of_its_own(serve: Serve):
    site = serve()
    with site.drive() as one, site.drive() as other:
        for tab in (one, other):
            tab.recv()
        assert ask(one, press=["anew"]).state["track"] == 8
        assert ask(other).state["track"] == 7
        assert site.sessions.num_open == 2
    site.wait(0)


def test_any_world_is_driven(serve: Serve, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(WORLDS))
    with serve(EnvConfig(id="tinypix:TinyChoice-v0", max_frames=40, action_repeat=1)).drive() as tab:
        first = read(tab.recv())
        assert first.state["keys"] == ["0", "1", "2"]
        assert ask(tab, ["2"]).state["act"] == [0, 0, 1]
        left = ask(tab, ["0"])
        assert left.state["act"] == [1, 0, 0]
        assert np.array_equal(left.pictures[0], first.pictures[0]), "there and back"


MALFORMED = [
    "",
    "{",
    "null",
    "[]",
    "7",
    '"held"',
    "NaN",
    "[" * (MAX_MESSAGE - 1),
    '{"a":' * 650 + "1" + "}" * 650,
    "1" * MAX_MESSAGE,
    '{"held": []}',
    '{"held": {}, "press": []}',
    '{"held": [], "press": [], "more": 1}',
    '{"held": ["fly"], "press": []}',
    '{"held": [["left"]], "press": []}',
    '{"held": [null], "press": []}',
    '{"held": [], "press": ["quit"]}',
    '{"held": [], "press": [{"a": 1}]}',
    json.dumps({"held": ["left"] * 17, "press": []}),
    json.dumps({"held": [], "press": ["anew"] * 17}),
    "\0",
]


def test_what_makes_no_sense_ends_the_tab_and_no_other(serve: Serve):
    site = serve()
    with site.drive() as other:
        other.recv()
        for text in MALFORMED:
            assert code_after(site, text) == 1008, text[:40]
        assert ask(other).state["decisions"] == 1
    site.wait(0)


def test_bytes_and_what_is_too_long_end_the_tab(serve: Serve):
    site = serve()
    with site.drive() as other:
        other.recv()
        for message in (b"\0" * 10, b"", NOTHING.encode(), ["{"] * 100):
            assert code_after(site, message) == 1008
        for message in ("x" * (MAX_MESSAGE + 1), b"x" * 1_000_000, ["x" * 1000] * 5):
            assert code_after(site, message) == 1009
        assert code_after(site, b'{"held": [], "press": ["\xff"]}', text=True) in (1007, 1008)
        assert ask(other).state["decisions"] == 1
    site.wait(0)


def code_after(site: Site, message: Any, text: bool | None = None) -> int:
    """With what a tab is closed that sends this."""
    with site.drive() as tab:
        tab.recv()
        with contextlib.suppress(ConnectionClosed):  # of one so long that it is closed meanwhile
            tab.send(message, text=text)
        return closing(tab).code


def closing(tab: ClientConnection) -> Close:
    """With what a tab is closed that waits for an answer."""
    with pytest.raises(ConnectionClosed) as closed:
        tab.recv()
    assert closed.value.rcvd is not None
    return closed.value.rcvd


def test_no_more_tabs_than_there_is_room_for(serve: Serve):
    site = serve()
    with contextlib.ExitStack() as tabs:
        last, *_ = [tabs.enter_context(site.drive()) for _ in range(MAX_SESSIONS)]
        last.recv()
        with site.drive() as late:
            assert closing(late) == Close(
                1013, f"{MAX_SESSIONS} tabs drive already: close one of them, then reload this"
            )
        last.close()
        site.wait(MAX_SESSIONS - 1)
        with site.drive() as tab:
            assert read(tab.recv()).state["decisions"] == 0


def test_fifty_connections_opened_and_dropped_leave_nothing(serve: Serve):
    site, me = serve(), psutil.Process()

    def storm() -> int:
        """Some drop before they are answered, some after, some within a message, some without a word, and some say what
        makes no sense or is too long; bytes in use."""
        for i in range(50):
            with site.drive() as tab:
                if i % 3:
                    tab.recv()
                if i % 5 == 1:
                    tab.send(NOTHING)
                if i % 5 == 2:
                    tab.socket.send(b"\x81\xfe\x0f")  # half of a header
                if i % 5 == 3:
                    tab.send(MALFORMED[i % len(MALFORMED)])
                if i % 5 == 4:
                    tab.send("x" * (MAX_MESSAGE + 1))
                if i % 2 or i % 5 == 2:
                    with contextlib.suppress(OSError):  # the server hung up on what was too long
                        tab.socket.shutdown(socket.SHUT_RDWR)
        site.wait(0)
        gc.collect()
        return me.memory_info().rss

    storm()
    connections, before = len(me.net_connections()), storm()
    after = storm()
    assert not site.born
    assert len(me.net_connections()) <= connections
    assert after - before < 20e6, "a session that stays has some MB"
    with site.drive() as tab:
        tab.recv()
        assert ask(tab).state["decisions"] == 1


def test_who_is_hung_up_on_before_the_first_picture_leaves_nothing(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """The server hangs up on what is too long, and the picture is ready before the connection is gone."""
    site, may_show, gone = serve(), threading.Event(), []
    shows, loses = Session.pictures, WebSocketsSansIOProtocol.connection_lost

    def pictures(session: Session) -> Any:
        may_show.wait()
        return shows(session)

    monkeypatch.setattr(Session, "pictures", pictures)
    monkeypatch.setattr(WebSocketsSansIOProtocol, "connection_lost", lambda *lost: gone.append(lost))
    with site.drive() as tab:
        site.wait(1)
        tab.send("x" * (MAX_MESSAGE + 1))
        with pytest.raises(ConnectionClosed) as closed:
            tab.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
        may_show.set()
    site.wait(0)
    monkeypatch.setattr(WebSocketsSansIOProtocol, "connection_lost", loses)
    for protocol, error in gone:
        protocol.loop.call_soon_threadsafe(loses, protocol, error)
    with site.drive() as tab:  # which is answered after what the server had to say of the other
        tab.recv()
    site.wait(0)
    gc.collect()
    assert not caplog.records
    assert not site.born


def idle(site: Site) -> socket.socket:
    """A connection that is opened, and says half of what it wants."""
    where = urlsplit(site.address)
    raw = socket.create_connection((where.hostname, where.port or 0), PATIENCE)
    raw.sendall(b"GET / HTTP/1.1\r\nHost: ")
    return raw


def is_hung_up_on(raw: socket.socket) -> bool:
    """Waits for it."""
    with contextlib.suppress(ConnectionResetError):
        return raw.recv(1) == b""
    return True


def test_who_says_nothing_keeps_nobody_out(serve: Serve):
    """Any user of this machine may open connections; the page has room for a hundred."""
    with contextlib.ExitStack() as opened:
        site = serve()
        strangers = [opened.enter_context(idle(site)) for _ in range(MAX_CONNECTIONS + 20)]
        assert get(site.address)[0].status == 200
        with site.drive() as tab:
            read(tab.recv())
            assert all(map(is_hung_up_on, strangers[: MAX_CONNECTIONS + 20 - MAX_STRANGERS - 2]))


def test_nobody_waits_for_a_request_for_ever(serve: Serve, monkeypatch: pytest.MonkeyPatch):
    """A tab has as long as it needs on a busy machine; that its time is up is told to its connection afterwards."""
    made, connects = list[_Connection](), _Connection.connection_made

    def connected(self: _Connection, transport: Any) -> None:
        made.append(self)
        connects(self, transport)

    monkeypatch.setattr(_Connection, "connection_made", connected)
    site = serve()
    with site.drive() as tab:
        read(tab.recv())
        monkeypatch.setattr("reverie.web.server.PATIENCE_SECONDS", 0.2)
        with idle(site) as raw:
            assert is_hung_up_on(raw)
        assert len(made) == 2
        made[0].loop.call_soon_threadsafe(made[0]._give_up)
        assert ask(tab).state["decisions"] == 1, "a tab goes on"


def test_who_is_refused_is_shut_out(serve: Serve):
    answer, _ = get(serve().address, Origin="http://evil.example")
    assert (answer.status, answer.headers["connection"]) == (403, "close")


def test_a_world_that_breaks_is_said(serve: Serve, monkeypatch: pytest.MonkeyPatch):
    site = serve()
    with site.drive() as tab:
        tab.recv()

        def breaks(*_: Any) -> None:
            raise UserError("it gave a reward of nan: correct the environment")

        monkeypatch.setattr(Session, "hold", breaks)
        tab.send(NOTHING)
        assert closing(tab) == Close(1011, "it gave a reward of nan: correct the environment")
    site.wait(0)
    gc.collect()
    assert not site.born


def test_a_newer_c_drives(serve: Serve, tiny_run: RunFolder):
    with serve().drive() as tab:
        tab.recv()
        assert ask(tab).state["message"] == ""
        search_goes_on(tiny_run, 1)
        assert ask(tab).state["message"] == "a newer C has come"


def test_a_port_that_is_taken(serve: Serve):
    port = urlsplit(serve().address).port or 0
    with pytest.raises(UserError, match=f"--port {port} cannot be had"), serving([], port):
        pass
