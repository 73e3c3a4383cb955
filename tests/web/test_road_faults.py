"""What the page's road refuses."""

import json
import subprocess

from tests.web.built import ROAD_JS, ROAD_WASM, needs_road

SCRIPT = """
require(process.argv[1]);
const outcome = (work) => { try { return work() } catch (error) { return error.message } };
Reverie.Road.create(require("node:fs").readFileSync(process.argv[2])).then((road) => {
  const before = outcome(() => road.step([0, 1, 0]));
  const seeds = [-1, 0.5, 2 ** 53, NaN].map((seed) => outcome(() => road.reset(seed)));
  road.reset(0);
  const actions = [[NaN, 0, 0], [0, Infinity, 0], [0, 0]].map((action) => outcome(() => road.step(action)));
  const memory = road.wasm.memory.buffer.byteLength;
  for (let seed = 0; seed < 200; seed++) road.reset(seed);
  const grown = road.wasm.memory.buffer.byteLength - memory;
  for (let frame = 1; frame < 1000; frame++) road.step([0, 0, 0]);
  const last = road.step([0, 0, 0]);
  console.log(JSON.stringify({ before, seeds, actions, grown, last, car: road.car() }));
});
"""


@needs_road
def test_nonsense_is_refused_and_episodes_end_after_1000_frames():
    command = ["node", "-e", SCRIPT, ROAD_JS, ROAD_WASM]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert found["before"] == "reset the road before a step"
    assert found["seeds"] == [f"not a track's seed: {seed}" for seed in ("-1", "0.5", "9007199254740992", "NaN")]
    assert found["actions"] == [f"not an action: {action}" for action in ("NaN,0,0", "0,Infinity,0", "0,0,")]
    assert found["grown"] <= 2**17, "a reset frees what the episode before it held"
    assert found["last"]["truncated"]
    assert not found["last"]["terminated"]
    car = found["car"]
    assert car["frames"] == 1000
    assert car["wheelsOnGrass"] == 0
    assert 0 < car["tilesVisited"] < 10
    assert abs(car["score"] - (1000 * car["tilesVisited"] / car["tiles"] - 100)) < 1e-9
