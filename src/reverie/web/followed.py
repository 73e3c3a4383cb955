"""The page of a run, served: what `reverie export web` writes, and where it asks for a C that is newer."""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from reverie.actions import SteerGasBrake
from reverie.envs.registry import spec_of
from reverie.models.files import load_vision
from reverie.run.folder import RunFolder
from reverie.web.bundle import bundle
from reverie.web.edits import Edit, edits_of
from reverie.web.newest import Newest
from reverie.web.page import ROAD, page_of
from reverie.web.worker import Worker


def runs_in_a_page(run: RunFolder) -> bool:
    """Whether the page has the run's world: the road, built, and no other one than it knows."""
    spec = spec_of(run.config.env)
    return ROAD.exists() and spec.in_paper and not run.config.env.kwargs and isinstance(spec.actions, SteerGasBrake)


def policy_of(page: str) -> str:
    """The Content-Security-Policy of a page: its own scripts, WebAssembly, workers made of them, and this server."""
    digests = [hashlib.sha256(script.encode()).digest() for script in re.findall(_SCRIPT, page, re.DOTALL)]
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed} 'wasm-unsafe-eval'; worker-src blob:; style-src 'unsafe-inline'; "
        f"img-src data: blob:; media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        f"frame-ancestors 'none'"
    )


_SCRIPT = r'<script id="[^"]*\.js" class="[a-z]*">(.*?)</script>'


class Followed:
    """The page of a run with its newest C."""

    def __init__(self, run: RunFolder, newest: Newest, worker: Worker) -> None:
        self._run, self._newest, self._worker = run, newest, worker
        self._made: tuple[str, bytes] = ("", b"")
        self._named: tuple[str, list[Edit]] = ("", [])

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """The page, what there is to know, the newest bundle, and edits, which are not in it: they take seconds, and
        the page is not to wait for them."""
        routes = {"/": self._page, "/news": self._news, "/bundle": self._bundle, "/edits": self._edits}
        return [Route(path, answer) for path, answer in routes.items()]

    async def _page(self, _: Request) -> Response:
        return page_response(await self._worker.do(self._written))

    async def _news(self, _: Request) -> Response:
        await self._worker.do(self._newest.look)
        return JSONResponse(self._told())

    async def _bundle(self, _: Request) -> Response:
        return Response(await self._worker.do(self._bytes), media_type="application/octet-stream")

    async def _edits(self, _: Request) -> Response:
        return JSONResponse([asdict(edit) for edit in await self._worker.do(self._names)])

    def _told(self) -> dict[str, str]:
        newest = self._newest
        return {"version": newest.version, "models": newest.models, "trouble": newest.trouble}

    def _written(self) -> str:
        self._newest.look()
        return page_of(self._run.path.name, self._bytes(), self._told())

    def _bytes(self) -> bytes:
        """Kept until there is another C."""
        newest = self._newest
        if self._made[0] != newest.version:
            self._made = (newest.version, bundle(RunFolder.open(newest.path), file=newest.file))
        return self._made[1]

    def _names(self) -> list[Edit]:
        """Kept until there is another V."""
        newest = self._newest
        if self._named[0] != newest.models:
            run = RunFolder.open(newest.path)
            run.require("vision")
            run.verify("vision")
            self._named = (newest.models, edits_of(load_vision(run.vision).eval()))
        return self._named[1]


def page_response(page: str) -> Response:
    """A page with its policy."""
    return HTMLResponse(page, headers={"content-security-policy": policy_of(page)})
