"""What `make web` builds, for tests that run it in node."""

import shutil
from pathlib import Path

import pytest

import reverie

HERE = Path(__file__).parent
WEB = Path(reverie.__file__).parent / "web"
ROAD_JS, ROAD_WASM = WEB / "static" / "road.js", WEB / "native" / "build" / "road.wasm"

needs_road = pytest.mark.skipif(
    not ROAD_WASM.exists() or shutil.which("node") is None, reason="needs node and what `make web` builds"
)
ENGINE_JS, ENGINE_WASM = WEB / "static" / "engine.js", WEB / "native" / "engine.wasm"

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
