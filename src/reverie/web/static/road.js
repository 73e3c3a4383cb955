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
     *  an end, as Gymnasium does. Throws before the first reset, and on what is no number. */
    step([steer, gas, brake]) {
      if (!this.wasm.num_tiles()) throw new Error("reset the road before a step");
      if (![steer, gas, brake].every(Number.isFinite)) throw new RangeError(`not an action: ${[steer, gas, brake]}`);
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

    /** Draws what the observation shows above its panel, for people: smooth, and as large as the canvas, whose sides
     *  should be as 10 to 7 (of Gymnasium's window, 1000 pixels by 700). Others distort it, as V's square frame does. */
    largeView(canvas) {
      const pen = canvas.getContext("2d");
      const { width, height } = canvas;
      const state = this.state();
      const [x, y, angle, seconds] = state;
      const zoom = 0.6 * Math.max(1 - seconds, 0) + 16.2 * Math.min(seconds, 1); // window pixels per unit
      pen.setTransform(1, 0, 0, 1, 0, 0);
      pen.fillStyle = "#000";
      pen.fillRect(0, 0, width, height);
      pen.scale(width / 1000, height / 700);
      pen.translate(500, 600);
      pen.scale(zoom, -zoom);
      pen.rotate(-angle);
      pen.translate(-x, -y);
      const reach = Math.hypot(500, 600) / zoom; // the window's farthest corner
      drawField(pen, x, y, reach);
      this._drawTiles(pen, x, y, reach);
      for (let k = 0; k < 4; k++) drawWheel(pen, ...state.subarray(4 + 4 * k, 8 + 4 * k));
      drawHull(pen, x, y, angle);
      pen.setTransform(1, 0, 0, 1, 0, 0);
    }

    _drawTiles(pen, x, y, reach) {
      const { edges, kerbs } = this.track();
      const touched = new Uint8Array(this.wasm.memory.buffer, this.wasm.touched(), kerbs.length);
      const far = reach + 20;
      for (let i = 0; i < kerbs.length; i++) {
        const here = edges.subarray(4 * i, 4 * i + 4);
        if (Math.abs(here[0] - x) > far || Math.abs(here[1] - y) > far) continue;
        const j = i > 0 ? i - 1 : kerbs.length - 1;
        const before = edges.subarray(4 * j, 4 * j + 4);
        const gray = touched[i] ? 102 : 102 + [0, 2, 5][i % 3];
        fill(pen, `rgb(${gray}, ${gray}, ${gray})`, [
          ...along(here, 0), ...along(here, 1), ...along(before, 1), ...along(before, 0),
        ]);
        if (!kerbs[i]) continue;
        const [inner, outer] = kerbs[i] > 0 ? [1, 1 + KERB] : [0, -KERB];
        fill(pen, i % 2 ? "#f00" : "#fff", [
          ...along(here, inner), ...along(here, outer), ...along(before, outer), ...along(before, inner),
        ]);
      }
    }
  }

  const FIELD = 2000 / 6; // half of its side
  const PATCH = FIELD / 20;
  const KERB = (0.5 * 8) / 40; // its width over the road's
  const SIZE = 0.02; // world units per unit of the car's drawing
  const HULL = [
    [60, 110, 60, 130, -60, 130, -60, 110],
    [20, 20, 15, 120, -15, 120, -20, 20],
    [50, -40, 50, -10, 25, 20, -25, 20, -50, -10, -50, -40, -20, -90, 20, -90],
    [50, -120, 50, -90, -50, -90, -50, -120],
  ];
  const [WHEEL_WIDTH, WHEEL_RADIUS] = [14, 27];
  const TREAD = 1.2; // rad of a wheel's turn that its white mark spans

  /** The point at a share of the way from the left to the right end of the road. */
  function along([leftX, leftY, rightX, rightY], share) {
    return [leftX + share * (rightX - leftX), leftY + share * (rightY - leftY)];
  }

  /** Fills a polygon [x, y, x, y, ...]; its outline hides the seam to the next one. */
  function fill(pen, color, corners) {
    pen.fillStyle = pen.strokeStyle = color;
    pen.lineWidth = 0.05;
    pen.beginPath();
    for (let i = 0; i < corners.length; i += 2) pen.lineTo(corners[i], corners[i + 1]);
    pen.closePath();
    pen.fill();
    pen.stroke();
  }

  function drawField(pen, x, y, reach) {
    pen.fillStyle = "rgb(102, 204, 102)";
    pen.fillRect(-FIELD, -FIELD, 2 * FIELD, 2 * FIELD);
    pen.fillStyle = "rgb(102, 230, 102)";
    const near = (i, place) => Math.abs(PATCH * (i + 0.5) - place) < reach + PATCH;
    for (let i = -20; i < 20; i += 2) {
      for (let j = -20; j < 20; j += 2) {
        if (near(i, x) && near(j, y)) pen.fillRect(PATCH * i, PATCH * j, PATCH, PATCH);
      }
    }
  }

  function drawWheel(pen, x, y, angle, phase) {
    pen.save();
    pen.translate(x, y);
    pen.rotate(angle);
    pen.scale(SIZE, SIZE);
    pen.fillStyle = "#000";
    pen.fillRect(-WHEEL_WIDTH, -WHEEL_RADIUS, 2 * WHEEL_WIDTH, 2 * WHEEL_RADIUS);
    const ends = [phase, phase + TREAD].map((turn) => ({ above: Math.sin(turn) > 0, c: Math.cos(turn) }));
    if (!ends.every((end) => end.above)) {
      const [from, to] = ends.map((end) => WHEEL_RADIUS * (end.above ? Math.sign(end.c) : end.c));
      pen.fillStyle = "rgb(77, 77, 77)";
      pen.fillRect(-WHEEL_WIDTH, Math.min(from, to), 2 * WHEEL_WIDTH, Math.abs(to - from));
    }
    pen.restore();
  }

  function drawHull(pen, x, y, angle) {
    pen.save();
    pen.translate(x, y);
    pen.rotate(angle);
    pen.scale(SIZE, SIZE);
    for (const part of HULL) fill(pen, "rgb(204, 0, 0)", part);
    pen.restore();
  }

  Reverie.Road = Road;
})((globalThis.Reverie ??= {}));
