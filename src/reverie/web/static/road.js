/**
 * The real road: Gymnasium's CarRacing, from road.wasm.
 *
 * Reverie.Road.create(bytes) resolves to a road; see the methods of Road.
 */
(function (Reverie) {
  "use strict";

  const MAX_FRAMES = 1000; // gymnasium.make's time limit
  const SIDE = 96;

  class Road {
    /** Resolves to a Road from the bytes of road.wasm. */
    static async create(bytes) {
      const { instance } = await WebAssembly.instantiate(bytes);
      instance.exports._initialize();
      return new Road(instance.exports);
    }

    constructor(wasm) {
      this.wasm = wasm;
      this.frames = 0;
    }

    /** Starts an episode on the track of `seed`, a whole number from 0 to 2^53 - 1. */
    reset(seed) {
      if (!Number.isSafeInteger(seed) || seed < 0) throw new RangeError(`not a track's seed: ${seed}`);
      this.wasm.reset(seed % 2 ** 32, Math.floor(seed / 2 ** 32));
      this.frames = 0;
    }

    /** One frame of 1/50 s under [steer -1..1, gas 0..1, brake 0..1]: {reward, terminated, truncated}. It goes on after
     *  an end, as Gymnasium does. */
    step([steer, gas, brake]) {
      const reward = this.wasm.step(steer, gas, brake);
      this.frames += 1;
      return { reward, terminated: this.wasm.terminated() !== 0, truncated: this.frames >= MAX_FRAMES };
    }

    /** The observation, (96, 96, 3) RGB; the panel fills the bottom 12 rows. A view, valid until the next call. */
    pixels() {
      return new Uint8Array(this.wasm.memory.buffer, this.wasm.draw(), SIDE * SIDE * 3);
    }

    /** The simulation's 27 numbers: hull's x, y, angle; seconds; four times a wheel's x, y, angle, phase; speed; four
     *  wheel speeds; steering angle; hull's turning. Lengths in world units, angles in rad. A view. */
    state() {
      return new Float64Array(this.wasm.memory.buffer, this.wasm.state(), 27);
    }

    /** What is true of the car now. `score` is the episode's reward up to now. */
    car() {
      const { wasm } = this;
      const [x, y, angle, seconds] = this.state();
      return {
        x, y, angle, seconds,
        speed: this.state()[20],
        steering: this.state()[25],
        turning: this.state()[26],
        wheelsOnGrass: wasm.wheels_on_grass(),
        tilesVisited: wasm.num_visited(),
        tiles: wasm.num_tiles(),
        score: wasm.reward(),
        frames: this.frames,
      };
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
