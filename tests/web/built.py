"""What `make web` builds, for tests that run it in node."""

import shutil
from pathlib import Path

import pytest

from reverie.web.page import STATIC, WORK_SCRIPTS

HERE = Path(__file__).parent
WEB = STATIC.parent
ROAD_JS, ROAD_WASM = STATIC / "road.js", WEB / "native" / "build" / "road.wasm"

needs_road = pytest.mark.skipif(
    not ROAD_WASM.exists() or shutil.which("node") is None, reason="needs node and what `make web` builds"
)
ENGINE_WASM = WEB / "native" / "engine.wasm"
WORK_JS = [STATIC / name for name in WORK_SCRIPTS]
"""V, M, C and the road in scripts, for those that are run in node."""

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
