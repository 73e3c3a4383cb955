"""C's score as the page reckons it, engine and road both in node, against ours in the same arithmetic."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
from tests.web.built import ENGINE_WASM, HERE, ROAD_WASM, WORK_JS, needs_road

from reverie.run.folder import RunFolder
from reverie.training.pipeline import evaluate_run
from reverie.web.bundle import bundle
from reverie.workers.inline import InlineWorkers

TRACKS = list(range(3, 10))


@needs_road
def test_the_page_scores_as_we_do(tmp_path: Path) -> None:
    run = RunFolder.open("pretrained")
    (tmp_path / "bundle").write_bytes(bundle(run))
    files = [HERE / "page_drives.js", ENGINE_WASM, ROAD_WASM, tmp_path / "bundle"]
    done = subprocess.run(["node", *files, json.dumps(TRACKS), *WORK_JS], check=True, capture_output=True, text=True)
    run.config = replace(run.config, agent=replace(run.config.agent, precision="fp32"))
    ours = evaluate_run(run, InlineWorkers(), num_tracks=len(TRACKS), first_seed=TRACKS[0], renderer="fast", quiet=True)
    # One track is chaos: on six of the tracks 0 to 99 they are further apart than 7, on half of them than 1.4.
    differences = np.array(json.loads(done.stdout)) - ours.returns
    assert np.median(np.abs(differences)) < 7, differences
