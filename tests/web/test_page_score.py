"""C's score as the page reckons it, engine and road both in node, against ours."""

import json
import subprocess
from pathlib import Path

import numpy as np
from tests.web.built import ENGINE_WASM, HERE, ROAD_WASM, WORK_JS, needs_road

from reverie.run.folder import RunFolder
from reverie.web.bundle import bundle


@needs_road
def test_the_page_scores_as_we_do(tmp_path: Path) -> None:
    run = RunFolder.open("pretrained")
    (tmp_path / "bundle").write_bytes(bundle(run))
    files = [HERE / "page_drives.js", ENGINE_WASM, ROAD_WASM, tmp_path / "bundle"]
    tracks = json.dumps(list(range(100)))
    done = subprocess.run(["node", *files, tracks, *WORK_JS], check=True, capture_output=True, text=True)
    ours = json.loads((run.evaluations / "fast_100_from_0.json").read_text())["returns"]
    differences = np.array(json.loads(done.stdout)) - ours
    assert abs(differences.mean()) < 1, differences  # both are the same on every machine
    assert np.median(np.abs(differences)) < 2, differences
