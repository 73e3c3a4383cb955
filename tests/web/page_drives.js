// node page_drives.js ENGINE_WASM ROAD_WASM BUNDLE TRACKS SCRIPT...: drives the tracks (a list in JSON) by the C of the
// bundle, as a page scores it, and prints in JSON the return of each.
"use strict";

const fs = require("node:fs");
const [engine, road, bundle, tracks, ...scripts] = process.argv.slice(2);
for (const script of scripts) require(script);

(async () => {
  const run = await Reverie.openRun("run", new Uint8Array(fs.readFileSync(bundle)), fs.readFileSync(engine));
  const drive = new Reverie.Drive(run, await Reverie.Road.create(fs.readFileSync(road)));
  console.log(JSON.stringify(JSON.parse(tracks).map((track) => Reverie.scoreOn(drive, track))));
})();
