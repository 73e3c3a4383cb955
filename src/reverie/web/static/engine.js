"use strict";
// V, M and C of a run, computed by the kernels of engine.wasm. What a bundle holds is said in web/bundle.py.
//
//   bundle = Reverie.openBundle(bytes)          bundle.header, bundle.array(name)
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
(() => {
  const Reverie = (globalThis.Reverie ??= {});
  const MAGIC = "reverie\x01", BLOCK = 64, BORDER = 2, SLACK = 8, SIZE = 64;
  const up = (n, multiple) => Math.ceil(n / multiple) * multiple;

  // ---- bundle

  Reverie.openBundle = (bytes) => {
    if (bytes.length < 12 || String.fromCharCode(...bytes.subarray(0, 8)) !== MAGIC)
      throw new Error("these bytes are no run of this version of the page: export it anew");
    const start = 12 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(8, true);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(12, start)));
    const known = new Map();
    const read = ({ shape, dtype, at }) => {
      const size = shape.reduce((a, b) => a * b, 1), blocks = Math.ceil(size / BLOCK), from = start + at;
      const part = (first, length) => {
        if (from + first + length > bytes.length) throw new Error("this run is cut short: export it anew");
        return bytes.slice(from + first, from + first + length).buffer;
      };
      if (dtype === "f4") return new Float32Array(part(0, 4 * size));
      const whole = new Int16Array(part(0, 2 * size)), factors = new Float32Array(part(2 * BLOCK * blocks, 4 * blocks));
      return Float32Array.from(whole, (number, i) => number * factors[Math.floor(i / BLOCK)]);
    };
    const array = (name) => {
      if (!known.has(name)) known.set(name, read(header.arrays[name]));
      return known.get(name);
    };
    return { header, array, shape: (name) => header.arrays[name].shape };
  };

  // ---- chance

  // A seeded generator (sfc32), so that a link can bring the same dream back.
  Reverie.Random = class {
    constructor(seed) {
      this.words = [seed | 0, 0x9e3779b9 | 0, 0x243f6a88, 1];
      for (let i = 0; i < 15; i++) this.word();
    }
    word() {
      const w = this.words, sum = (w[0] + w[1] + w[3]) | 0;
      w[3] = (w[3] + 1) | 0;
      w[0] = w[1] ^ (w[1] >>> 9);
      w[1] = (w[2] + (w[2] << 3)) | 0;
      w[2] = (((w[2] << 21) | (w[2] >>> 11)) + sum) | 0;
      return sum >>> 0;
    }
    uniform() { return this.word() / 2 ** 32; } // in [0, 1)
    normal() { // Box and Muller
      const radius = Math.sqrt(-2 * Math.log((this.word() + 1) / (2 ** 32 + 1)));
      return radius * Math.cos(2 * Math.PI * this.uniform());
    }
  };

  // ---- engine

  const sigmoid = (x) => 1 / (1 + Math.exp(-x));
  const argmax = (n, at) => { let best = 0; for (let i = 1; i < n; i++) if (at(i) > at(best)) best = i; return best; };
  function softmax(n, at) { // at(0) .. at(n - 1) -> shares of 1
    let top = -Infinity, sum = 0;
    for (let i = 0; i < n; i++) top = Math.max(top, at(i));
    const shares = new Float64Array(n);
    for (let i = 0; i < n; i++) sum += shares[i] = Math.exp(at(i) - top);
    return shares.map((share) => share / sum);
  }

  Reverie.Engine = class Engine {
    static async create(wasmBytes, bundle) {
      const { instance } = await WebAssembly.instantiate(wasmBytes, {});
      return new Engine(instance.exports, bundle);
    }

    constructor(kernels, bundle) {
      this.kernels = kernels;
      this.bundle = bundle;
      const { config, world } = bundle.header;
      Object.assign(this, { config, world, zSize: config.z_size, members: config.members });
      this.buffers = [];
      this.#makeEncoder();
      this.#makeDecoder();
      this.memories = Array.from({ length: this.members }, (_, i) => this.#makeMemory(`memory.${i}`));
      this.#makeController();
      this.#makeViews(); // at last: memory that grows leaves views of it behind
    }

    // Memory for `length` floats or bytes; `view` is theirs once all is built.
    #buffer(length, kind = Float32Array) {
      const buffer = { at: this.kernels.allocate(length * kind.BYTES_PER_ELEMENT), length, kind, view: null };
      this.buffers.push(buffer);
      return buffer;
    }
    #makeViews() {
      for (const b of this.buffers) b.view = new b.kind(this.kernels.memory.buffer, b.at, b.length);
    }
    #weights(name) {
      const found = {};
      for (const part of ["weight", "bias"]) {
        const numbers = this.bundle.array(`${name}.${part}`), buffer = this.#buffer(numbers.length);
        new Float32Array(this.kernels.memory.buffer, buffer.at, buffer.length).set(numbers);
        found[part] = buffer.at;
      }
      return { ...found, shape: this.bundle.shape(`${name}.weight`) };
    }
    #linear(layer, x, y) { this.kernels.linear(layer.weight, layer.bias, x.at, y.at, ...layer.shape); }

    // ---- V

    #makeEncoder() {
      this.frame = this.#buffer(SIZE * SIZE * 3, Uint8Array);
      this.convolutions = [];
      let size = SIZE, map = this.#buffer(SIZE * SIZE * 3 + 64);
      for (let i = 0; i < 4; i++) {
        const layer = this.#weights(`encoder.${i}`), [, , before, after] = layer.shape, half = (size >> 1) - 1;
        const next = this.#buffer(half * half * after + 4 * after);
        this.convolutions.push({ ...layer, size, before, after, from: map, to: next });
        [size, map] = [half, next];
      }
      this.latentLayer = this.#weights("encoder.latent");
      this.latent = this.#buffer(this.latentLayer.shape[0]);
    }

    encode(rgb) {
      const k = this.kernels, z = this.zSize;
      this.frame.view.set(rgb);
      k.scale(this.frame.at, this.convolutions[0].from.at, rgb.length);
      for (const c of this.convolutions) k.halve(c.from.at, c.weight, c.bias, c.to.at, c.size, c.before, c.after);
      this.#linear(this.latentLayer, this.convolutions[3].to, this.latent);
      const out = this.latent.view; // LOGVAR_LIMIT of models/autoencoder.py
      return { mu: out.slice(0, z), logvar: out.slice(z, 2 * z).map((x) => 20 * Math.tanh(x / 20)) };
    }

    #makeDecoder() {
      this.firstLayer = this.#weights("decoder.0");
      this.z = this.#buffer(this.firstLayer.shape[1]);
      this.firstMap = this.#buffer(this.firstLayer.shape[0]);
      this.doublings = [];
      let size = 5;
      for (let i = 1; i <= 3; i++) {
        const layer = this.#weights(`decoder.${i}`), [taps, before, after] = layer.shape, kernel = Math.sqrt(taps);
        const row = (size + 2 * BORDER + SLACK) * before;
        this.doublings.push({ ...layer, size, kernel, before, after, row, map: this.#buffer(size * row) });
        size = 2 * (size - 1) + kernel;
      }
      this.colours = this.#buffer(SIZE * SIZE * 4);
      this.picture = this.#buffer(SIZE * SIZE * 4, Uint8ClampedArray);
    }

    decode(z) {
      const k = this.kernels, [first, second, third] = this.doublings;
      const inside = (layer) => layer.map.at + 4 * BORDER * layer.before; // behind the border of its first row
      this.z.view.set(z);
      this.#linear(this.firstLayer, this.z, this.firstMap);
      k.rectify(this.firstMap.at, this.firstMap.length);
      k.place(this.firstMap.at, inside(first), 5, 5 * first.before, first.row);
      for (const [a, b] of [[first, second], [second, third]])
        k.double_features(a.map.at, a.weight, a.bias, inside(b), a.size, a.kernel, a.before, a.after, b.row);
      const { map, weight, bias, size, kernel, before } = third;
      k.double_colours(map.at, weight, bias, this.colours.at, size, kernel, before, SIZE * 4);
      k.paint(this.colours.at, this.picture.at, SIZE * SIZE);
      return this.picture.view;
    }

    // ---- M

    #makeMemory(name) {
      const { hidden_size, num_layers } = this.config.memory, h = up(hidden_size, 4);
      const layers = [];
      for (let i = 0; i < num_layers; i++) {
        const layer = this.#weights(`${name}.lstm.${i}`);
        layers.push({ ...layer, input: this.#buffer(layer.shape[1]), read: layer.shape[1] - h });
      }
      const head = this.#weights(`${name}.head`);
      this.gates ??= this.#buffer(4 * h);
      this.hidden ??= this.#buffer(h);
      this.cell ??= this.#buffer(h);
      this.heads ??= this.#buffer(head.shape[0]);
      return { layers, head };
    }

    newState() {
      const { hidden_size, num_layers } = this.config.memory;
      const zeros = () => Array.from({ length: num_layers }, () => new Float32Array(hidden_size));
      return { reward: 0, members: this.memories.map(() => ({ h: zeros(), c: zeros() })) };
    }

    copyState(state) {
      const copied = (vectors) => vectors.map((vector) => vector.slice());
      return { ...state, members: state.members.map(({ h, c }) => ({ h: copied(h), c: copied(c) })) };
    }

    // Changes `state`; hidden is what the last layer of the first member gives.
    step(state, z, action) {
      const { reward_input, reward, hidden_size } = this.config.memory;
      this.memories.forEach(({ layers }, m) => {
        const { h, c } = state.members[m];
        layers.forEach((layer, i) => {
          const x = layer.input.view;
          if (i > 0) x.set(h[i - 1]);
          else {
            x.set(z);
            x.set(action, z.length);
            if (reward_input)
              x[z.length + action.length] = reward.head === "sign" ? Math.sign(state.reward) : state.reward / reward.scale;
          }
          x.set(h[i], layer.read);
          this.cell.view.set(c[i]);
          this.#linear(layer, layer.input, this.gates);
          this.kernels.lstm(this.gates.at, this.hidden.at, this.cell.at, this.hidden.length);
          h[i] = this.hidden.view.slice(0, hidden_size);
          c[i] = this.cell.view.slice(0, hidden_size);
        });
      });
      return { hidden: state.members[0].h.at(-1) };
    }

    // What a member expects after a step from z: the mixture's logits (k, z or 1), mu and logsigma (k, z); reward and
    // end, null without such a head.
    expect(state, z, member = 0) {
      const { num_mixtures: k, mixture, residual, min_sigma, reward, end_head, hidden_size } = this.config.memory;
      const n = this.zSize, wide = mixture === "shared" ? 1 : n, { head } = this.memories[member];
      this.hidden.view.set(state.members[member].h.at(-1));
      this.hidden.view.fill(0, hidden_size);
      this.#linear(head, this.hidden, this.heads);
      const out = this.heads.view;
      let at = 0;
      const take = (length) => out.slice(at, (at += length));
      const logits = take(k * wide), mu = take(k * n), logsigma = take(k * n);
      if (residual) for (let i = 0; i < k * n; i++) mu[i] += z[i % n];
      if (min_sigma) {
        const floor = Math.log(min_sigma);
        for (let i = 0; i < k * n; i++) logsigma[i] = floor + softplus(logsigma[i] - floor);
      }
      const rewards = take({ none: 0, sign: 1, value: 1, two_hot: reward.num_bins }[reward.head]);
      const end = end_head ? sigmoid(take(1)[0]) : null;
      return { logits, mu, logsigma, reward: this.#reward(rewards), endProbability: end };
    }

    #reward(out) {
      const { head, scale, num_bins } = this.config.memory.reward;
      if (head === "none") return null;
      if (head === "value") return out[0] * scale;
      if (head === "sign") return Math.tanh(out[0] / 2);
      const bins = this.bundle.array("reward.bins"), shares = softmax(num_bins, (i) => out[i]);
      return shares.reduce((sum, share, i) => sum + share * bins[i], 0);
    }

    // The chance in one draw of z: `uniform` chooses the component, for each dimension or for all of them.
    drawNoise(random) {
      const draws = (n, draw) => Float32Array.from({ length: n }, draw);
      const shared = this.config.memory.mixture === "shared";
      return { uniform: draws(shared ? 1 : this.zSize, () => random.uniform()), normal: draws(this.zSize, () => random.normal()) };
    }

    // Reads M after `step(state, z, ...)`; `noise` as `drawNoise` gives it, or null at temperature 0, which needs none.
    predict(state, z, noise, temperature, member = 0) {
      const expected = this.memories.map((_, i) => (this.members > 1 || i === member ? this.expect(state, z, i) : null));
      const { reward, endProbability, ...mixture } = expected[member];
      const next = this.#sample(mixture, temperature > 0 ? noise : null, temperature);
      return { z: next, reward, endProbability, doubt: this.members > 1 ? this.#doubt(expected) : null };
    }

    // As models/distributions.py: weights sharpened by 1 / temperature, deviations times its root; at 0 the mean of the
    // heaviest component.
    #sample({ logits, mu, logsigma }, noise, temperature) {
      const n = this.zSize, k = this.config.memory.num_mixtures, wide = logits.length / k, z = new Float32Array(n);
      let component = 0;
      for (let d = 0; d < n; d++) {
        if (d < wide) component = noise ? choose(d) : argmax(k, (i) => logits[i * wide + d]);
        z[d] = mu[component * n + d];
        if (noise) z[d] += Math.exp(logsigma[component * n + d]) * Math.sqrt(temperature) * noise.normal[d];
      }
      return z;

      function choose(d) {
        const shares = softmax(k, (i) => logits[i * wide + d] / temperature);
        let i = 0, sum = shares[0];
        while (i < k - 1 && noise.uniform[d] >= sum) sum += shares[++i];
        return i;
      }
    }

    // How far the members' means of z disagree: dream/ensemble.py.
    #doubt(expected) {
      const n = this.zSize, k = this.config.memory.num_mixtures;
      let total = 0;
      for (let d = 0; d < n; d++) {
        const means = expected.map(({ logits, mu }) => {
          const wide = logits.length / k, shares = softmax(k, (i) => logits[i * wide + (d % wide)]);
          return shares.reduce((sum, share, i) => sum + share * mu[i * n + d], 0);
        });
        const mean = means.reduce((a, b) => a + b) / means.length;
        total += means.reduce((sum, x) => sum + (x - mean) ** 2, 0) / means.length;
      }
      return Math.sqrt(total / n);
    }

    // One decision in a dream: the state goes on, with the reward that M expects. -> as `predict`, and `end`
    dream(state, z, action, temperature, random) {
      this.step(state, z, action);
      const found = this.predict(state, z, temperature > 0 ? this.drawNoise(random) : null, temperature);
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
      const members = this.memories.map((_, m) => ({ h: layers(`moments.${m}.h`), c: layers(`moments.${m}.c`) }));
      const [reward, earned, frames] = ["reward", "earned", "frames"].map((name) => row(`moments.${name}`)[0]);
      return { z: row("moments.z"), state: { reward, members }, earned, frames };
    }

    // ---- C

    #makeController() {
      const count = this.config.controller.hidden_size ? 2 : 1;
      this.controller = Array.from({ length: count }, (_, i) => {
        const layer = this.#weights(`controller.${i}`);
        return { ...layer, input: this.#buffer(layer.shape[1]) };
      });
      this.outputs = this.#buffer(this.controller.at(-1).shape[0]);
    }

    act(state, z) {
      const { inputs, actions } = this.config.controller, [first, second] = this.controller;
      const { h, c } = state.members[0], parts = { z, h: h.at(-1), c: c.at(-1) };
      let at = 0;
      for (const name of inputs) {
        first.input.view.set(parts[name], at);
        at += up(parts[name].length, 4);
      }
      this.#linear(first, first.input, second ? second.input : this.outputs);
      if (second) {
        this.kernels.squash(second.input.at, second.input.length);
        this.#linear(second, second.input, this.outputs);
      }
      return toAction[actions.kind](this.outputs.view, actions);
    }
  };

  const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

  // From C's outputs to the action that M reads: the package reverie.actions.
  const toAction = {
    steer_gas_brake: ([x, y, w]) => Float32Array.of(Math.tanh(x), (Math.tanh(y) + 1) / 2, Math.max(Math.tanh(w), 0)),
    steer_pedal: ([x, y]) => Float32Array.of(Math.tanh(x), Math.max(Math.tanh(y), 0), Math.max(-Math.tanh(y), 0)),
    box: (outputs, { low, high, scaled }) =>
      Float32Array.from(low, (from, i) => {
        const unit = Math.tanh(outputs[i]);
        return scaled ? unit : from + ((unit + 1) / 2) * (high[i] - from);
      }),
    categories: (outputs, { sizes }) => {
      const hot = new Float32Array(sizes.reduce((a, b) => a + b));
      let at = 0;
      for (const n of sizes) {
        hot[at + argmax(n, (i) => outputs[at + i])] = 1;
        at += n;
      }
      return hot;
    },
  };
})();
