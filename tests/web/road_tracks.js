// node road_tracks.js ROAD_JS ROAD_WASM OUT SEED...: writes the tracks of the seeds to OUT, each as n (int32), edges
// (n, 4) float64 and kerbs (n) int8.
"use strict";

const fs = require("fs");
const vm = require("vm");

const [script, wasm, out, ...seeds] = process.argv.slice(2);
vm.runInThisContext(fs.readFileSync(script, "utf8"), script);

Reverie.Road.create(fs.readFileSync(wasm)).then((road) => {
  const parts = [];
  for (const seed of seeds) {
    road.reset(Number(seed));
    const { edges, kerbs } = road.track();
    for (const part of [Int32Array.of(kerbs.length), edges, kerbs]) {
      parts.push(Buffer.from(new Uint8Array(part.buffer, part.byteOffset, part.byteLength)));
    }
  }
  fs.writeFileSync(out, Buffer.concat(parts));
});
