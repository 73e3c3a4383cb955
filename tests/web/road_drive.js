// node road_drive.js ROAD_JS ROAD_WASM OUT SEED ACTIONS: drives the track of the seed by the actions in the file ACTIONS
// (n, 3) float32, each held for 4 frames. Writes to OUT for each action 4 times the reward and the state (28 float64),
// the last terminated (uint8) and the picture (96, 96, 3). Prints the median times of a frame and of a picture.
"use strict";

const fs = require("fs");
const vm = require("vm");

const [script, wasm, out, seed, actionFile] = process.argv.slice(2);
vm.runInThisContext(fs.readFileSync(script, "utf8"), script);
const actions = new Float32Array(new Uint8Array(fs.readFileSync(actionFile)).buffer);

Reverie.Road.create(fs.readFileSync(wasm)).then((road) => {
  const parts = [];
  const keep = (part) => parts.push(Buffer.from(part.buffer.slice(part.byteOffset, part.byteOffset + part.byteLength)));
  const stepped = [], drawn = []; // milliseconds
  const timed = (times, work) => {
    const start = performance.now();
    const result = work();
    times.push(performance.now() - start);
    return result;
  };
  road.reset(Number(seed));
  for (let i = 0; i < actions.length; i += 3) {
    const action = actions.subarray(i, i + 3);
    let terminated;
    for (let frame = 0; frame < 4; frame++) {
      const result = timed(stepped, () => road.step(action));
      terminated = result.terminated;
      keep(Float64Array.of(result.reward));
      keep(road.state());
    }
    keep(Uint8Array.of(terminated));
    keep(timed(drawn, () => road.pixels()));
  }
  fs.writeFileSync(out, Buffer.concat(parts));
  const median = (times) => times.sort((a, b) => a - b)[times.length >> 1];
  console.log(JSON.stringify({ frame_ms: median(stepped), picture_ms: median(drawn) }));
});
