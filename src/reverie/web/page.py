"""Runs as a page: one HTML file that needs nothing else, not even a server; or a folder for one, where runs are loaded
when they are wanted.

A browser that reads a file from the disk may not fetch others, so all bytes stand in the page as text, in script tags
that are not run: base64, packed with gzip.
"""

import base64
import gzip
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reverie.actions import SteerGasBrake
from reverie.envs.registry import spec_of
from reverie.errors import UserError
from reverie.models.files import load_vision
from reverie.reading import read_text
from reverie.run.folder import RunFolder
from reverie.web.bundle import bundle
from reverie.web.edits import edits_of
from reverie.writing import write_atomically

STATIC = Path(__file__).parent / "static"
NATIVE = Path(__file__).parent / "native"
ROAD = NATIVE / "build" / "road.wasm"
"""CarRacing, which `make web` builds; without it the dream is alone in the page."""
WORK_SCRIPTS = (
    "bundle.js",
    "random.js",
    "kernels.js",
    "vision.js",
    "memory.js",
    "controller.js",
    "engine.js",
    "road.js",
    "picture.js",
    "run.js",
    "drive.js",
    "scorer.js",
)
"""Those that compute and know no page: workers are given them, and so is node in the tests."""
SCRIPTS = (
    *WORK_SCRIPTS,
    "dream.js",
    "wheel.js",
    "stage.js",
    "chart.js",
    "film.js",
    "driving.js",
    "parts.js",
    "edits.js",
    "see.js",
    "compare.js",
    "proof.js",
    "app.js",
)
"""In the order in which they are run."""
FOLLOWING = ("served/follow.js",)
"""What a page that is served runs beside them."""
SESSION_SCRIPTS = ("picture.js", "parts.js", "wheel.js", "served/session.js")
"""Of the page for worlds that no page can run."""


def write_page(path: Path, runs: Sequence[RunFolder]) -> None:
    """One file with all of `runs`. Raises UserError where one cannot be shown."""
    packed = _packed(runs)
    entries = [{"name": name, "id": f"run-{i}"} for i, name in enumerate(packed)]
    data = [_data(f"run-{i}", text) for i, text in enumerate(packed.values())]
    _write(path, _page(entries, data))


def write_folder(folder: Path, runs: Sequence[RunFolder]) -> None:
    """index.html, and for each of `runs` a script that brings it. Errors as `write_page`."""
    packed = _packed(runs)
    files = {name: f"run-{re.sub(r'[^A-Za-z0-9._-]', '_', name)}.js" for name in packed}
    if len(set(files.values())) < len(files):
        raise UserError(f"runs with names as alike as {', '.join(packed)} cannot share a folder: rename one")
    for name, text in packed.items():
        _write(folder / files[name], f"Reverie.deliver({json.dumps(name)}, {json.dumps(text)});\n")
    _write(folder / "index.html", _page([{"name": name, "file": file} for name, file in files.items()], []))


def page_of(name: str, content: bytes, told: Mapping[str, str]) -> str:
    """The page for a server: a run as its bundle has it, and what is told of that at the moment."""
    served = f'<script type="application/json" id="served">{_json(told)}</script>'
    entries = [{"name": name, "id": "run-0"}]
    return _page(entries, [_data("run-0", _text(content)), served], (*SCRIPTS, *FOLLOWING))


def session_page(name: str) -> str:
    """The page for a server that steps the world itself."""
    served = f'<script type="application/json" id="served">{_json({"run": name})}</script>'
    return _filled("served/session.html", [served], SESSION_SCRIPTS)


def _packed(runs: Sequence[RunFolder]) -> Mapping[str, str]:
    """What goes into the page of each run, by its name."""
    found: dict[str, str] = {}
    for run in runs:
        if run.path.name in found:
            raise UserError(f"two runs are called {run.path.name}: give each once, or rename one's folder", usage=True)
        if not isinstance(spec_of(run.config.env).actions, SteerGasBrake):
            raise UserError(
                f"{run.name} acts in {run.config.env.id}, and all that the page has is a wheel and two pedals: "
                f"`reverie export onnx` takes any run"
            )
        run.require_agent()
        found[run.path.name] = _text(bundle(run, edits_of(load_vision(run.vision).eval())))
    return found


def _page(entries: Sequence[Mapping[str, str]], data: Sequence[str], scripts: Sequence[str] = SCRIPTS) -> str:
    parts = [_data("engine-wasm", _text((NATIVE / "engine.wasm").read_bytes())), *data]
    if ROAD.exists():
        parts.append(_data("road-wasm", _text(ROAD.read_bytes())))
    parts.append(f'<script type="application/json" id="runs">{_json(list(entries))}</script>')
    return _filled("index.html", parts, scripts)


def _filled(template: str, data: Sequence[str], scripts: Sequence[str]) -> str:
    """A page of `static` with style, data and scripts where it wants them."""
    page, run = _static(template), list[str]()
    for name in scripts:
        kind = "work" if name in WORK_SCRIPTS else "page"
        run.append(f'<script id="{name}" class="{kind}">\n{_static(name)}</script>')
    for mark, content in (("style", _static("app.css")), ("data", "\n".join(data)), ("scripts", "\n".join(run))):
        page = page.replace(f"<!-- {mark} -->", content)
    return page


def _json(value: Any) -> str:
    return json.dumps(value).replace("<", "\\u003c")  # nothing in a name ends the tag


def _static(name: str) -> str:
    return read_text(STATIC / name)


def _text(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


def _data(name: str, text: str) -> str:
    return f'<script type="application/octet-stream" id="{name}">{text}</script>'


def _write(path: Path, text: str) -> None:
    with write_atomically(path) as file:
        file.write(text.encode())
