/**
 * The real road: Gymnasium's CarRacing, from road.wasm.
 *
 * Reverie.Road.create(bytes) resolves to a road; see the methods of Road.
 */
(function (Reverie) {
  "use strict";

  class Road {
    /** Resolves to a Road from the bytes of road.wasm. */
    static async create(bytes) {
      const { instance } = await WebAssembly.instantiate(bytes);
      instance.exports._initialize();
      return new Road(instance.exports);
    }

    constructor(wasm) {
      this.wasm = wasm;
    }

    /** Starts an episode on the track of `seed`, a whole number from 0 to 2^53 - 1. */
    reset(seed) {
      if (!Number.isSafeInteger(seed) || seed < 0) throw new RangeError(`not a track's seed: ${seed}`);
      this.wasm.reset(seed % 2 ** 32, Math.floor(seed / 2 ** 32));
    }

    /** {edges, kerbs}: left x, y and right x, y of the road at each of n points (4 n numbers; tile i lies between point
     *  i and the one before), and the side of each tile's kerb: -1 left, 1 right, 0 none. Views, valid until reset. */
    track() {
      const { wasm } = this;
      const n = wasm.num_tiles();
      return {
        edges: new Float64Array(wasm.memory.buffer, wasm.edges(), 4 * n),
        kerbs: new Int8Array(wasm.memory.buffer, wasm.kerbs(), n),
      };
    }
  }

  Reverie.Road = Road;
})((globalThis.Reverie ??= {}));
