"use strict";
// V, M and C of a run as one, computed by the kernels of engine.wasm.
//
//   engine = await Reverie.Engine.create(wasmBytes, bundle)
//   engine.encode(rgb)                          64 * 64 * 3 bytes -> {mu, logvar}
//   engine.decode(z)                            -> 64 * 64 * 4 bytes, red, green, blue, 255
//   state = engine.newState()                   M's before anything was seen; state.reward is the reward that came with
//                                               the latent: the caller sets it on the road, `dream` in a dream
//   engine.act(state, z)                        C's action, as M reads it; of a car, what the road is given
//   engine.step(state, z, action)               every member of M's ensemble sees a decision -> {hidden}
//   engine.predict(state, z, noise, temperature, member)
//                                               after a step from z -> {z, reward, endProbability, doubt}
//   engine.dream(state, z, action, temperature, random)
//                                               step and predict in one, with chance from `random`
//   engine.settle(earned, frames, reward)       what a dreamt decision is paid -> {reward, end, truncated, excess}
//   engine.moment(i)                            where a dream may begin -> {z, state, earned, frames}
//
// All vectors that are handed out are copies; `decode` alone hands out a view, which the next call paints over.
globalThis.Reverie ??= {};

Reverie.Engine = class Engine {
  static async create(wasmBytes, bundle) {
    return new Engine(await Reverie.Kernels.create(wasmBytes, bundle), bundle);
  }

  constructor(kernels, bundle) {
    const { config, world } = bundle.header;
    Object.assign(this, { bundle, config, world });
    this.vision = new Reverie.Vision(kernels, config);
    this.memory = new Reverie.Memory(kernels, config);
    this.controller = new Reverie.Controller(kernels, config);
    kernels.makeViews(); // at last: memory that grows leaves views of it behind
  }

  encode(rgb) { return this.vision.encode(rgb); }
  decode(z) { return this.vision.decode(z); }
  newState() { return this.memory.newState(); }
  copyState(state) { return this.memory.copyState(state); }
  step(state, z, action) { return this.memory.step(state, z, action); }
  predict(state, z, noise, temperature, member) { return this.memory.predict(state, z, noise, temperature, member); }
  act(state, z) { return this.controller.act(state, z); }

  // One decision in a dream: the state goes on, with the reward that M expects. -> as `predict`, and `end`
  dream(state, z, action, temperature, random) {
    this.step(state, z, action);
    const found = this.predict(state, z, temperature > 0 ? this.memory.drawNoise(random) : null, temperature);
    state.reward = found.reward ?? 0;
    const end = found.endProbability !== null && found.endProbability > (temperature > 0 ? random.uniform() : 0.5);
    return { ...found, end };
  }

  // What a decision is paid in an episode that had earned so much in so many frames before it, and whether the world
  // would end it: dream/accounting.py.
  settle(earned, frames, reward) {
    const { action_repeat, max_decisions, largest_return } = this.world, after = frames + action_repeat;
    const truncated = after >= max_decisions * action_repeat;
    if (!largest_return) return { reward, end: false, truncated, excess: 0 };
    const left = largest_return.total - largest_return.frame_cost * after - earned, excess = reward - left;
    const beyond = excess > 1e-3 * largest_return.total; // the rest is rounding
    return { reward: Math.min(reward, left), end: excess >= 0, truncated, excess: beyond ? excess : 0 };
  }

  get numMoments() { return this.bundle.shape("moments.z")[0]; }

  moment(i) {
    const row = (name) => {
      const width = this.bundle.shape(name).slice(1).reduce((a, b) => a * b, 1);
      return this.bundle.array(name).slice(i * width, (i + 1) * width);
    };
    const layers = (name) => {
      const all = row(name), size = this.config.memory.hidden_size;
      return Array.from({ length: all.length / size }, (_, l) => all.slice(l * size, (l + 1) * size));
    };
    const members = this.memory.every.map((_, m) => ({ h: layers(`moments.${m}.h`), c: layers(`moments.${m}.c`) }));
    const [reward, earned, frames] = ["reward", "earned", "frames"].map((name) => row(`moments.${name}`)[0]);
    return { z: row("moments.z"), state: { reward, members }, earned, frames };
  }
};
