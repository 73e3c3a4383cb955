"use strict";
// C's score on the road, in workers, so that the page stays awake. A worker is given these scripts as text: a page from
// the disk may not load others.
globalThis.Reverie ??= {};

// The return of C on a track.
Reverie.scoreOn = (drive, track) => {
  drive.begin(track);
  for (let first = true; !drive.over; first = false) {
    if (!first) drive.look();
    drive.decide(drive.act());
    for (let i = 0; i < drive.run.world.repeat; i++) drive.advance();
  }
  return drive.return;
};

// What a worker does: {bytes, wasm, road, tracks} -> {track, return} for each.
Reverie.scoreInWorker = async ({ data: { bytes, wasm, road, tracks } }) => {
  const run = await Reverie.openRun("", bytes, wasm);
  const drive = new Reverie.Drive(run, await Reverie.Road.create(road));
  for (const track of tracks) postMessage({ track, return: Reverie.scoreOn(drive, track) });
};

Reverie.Scorer = class {
  // Scores tracks 0 to `num` - 1; `each({track, return})` is told of one after the other, `failed(error)` of what fails.
  constructor({ bytes, wasm, road, num, each, failed }) {
    const text = [...document.querySelectorAll("script.work")].map((script) => script.textContent).join("\n");
    const source = new Blob([text, "\nonmessage = Reverie.scoreInWorker;"], { type: "text/javascript" });
    const address = URL.createObjectURL(source), many = Math.max(1, Math.min(4, (navigator.hardwareConcurrency ?? 2) - 1));
    this.workers = Array.from({ length: many }, (_, i) => {
      const worker = new Worker(address), tracks = [];
      for (let track = i; track < num; track += many) tracks.push(track);
      worker.onmessage = ({ data }) => each(data);
      worker.onerror = failed;
      worker.postMessage({ bytes, wasm, road, tracks });
      return worker;
    });
  }

  stop() {
    for (const worker of this.workers) worker.terminate();
  }
};
