// node road_drive.js ROAD_JS ROAD_WASM OUT SEED ACTIONS: drives the track of the seed by the actions in the file ACTIONS
// (n, 3) float32, each held for 4 frames. Writes to OUT for each action 4 times the reward and the state (28 float64),
// the last terminated (uint8) and the picture (96, 96, 3).
"use strict";

const fs = require("fs");
const vm = require("vm");

const [script, wasm, out, seed, actionFile] = process.argv.slice(2);
vm.runInThisContext(fs.readFileSync(script, "utf8"), script);
const actions = new Float32Array(new Uint8Array(fs.readFileSync(actionFile)).buffer);

Reverie.Road.create(fs.readFileSync(wasm)).then((road) => {
  const parts = [];
  const keep = (part) => parts.push(Buffer.from(part.buffer.slice(part.byteOffset, part.byteOffset + part.byteLength)));
  let stepped = 0n, drawn = 0n;
  road.reset(Number(seed));
  for (let i = 0; i < actions.length; i += 3) {
    const action = actions.subarray(i, i + 3);
    let terminated;
    for (let frame = 0; frame < 4; frame++) {
      const start = process.hrtime.bigint();
      const result = road.step(action);
      stepped += process.hrtime.bigint() - start;
      terminated = result.terminated;
      keep(Float64Array.of(result.reward));
      keep(road.state());
    }
    keep(Uint8Array.of(terminated));
    const start = process.hrtime.bigint();
    const pixels = road.pixels();
    drawn += process.hrtime.bigint() - start;
    keep(pixels);
  }
  fs.writeFileSync(out, Buffer.concat(parts));
  const n = actions.length / 3;
  console.log(JSON.stringify({ frame_ms: Number(stepped) / 4e6 / n, picture_ms: Number(drawn) / 1e6 / n }));
});
