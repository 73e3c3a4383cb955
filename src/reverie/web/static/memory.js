"use strict";
// M of a run: what it has seen, and what it expects.
(() => {
  const Reverie = (globalThis.Reverie ??= {});
  const sigmoid = (x) => 1 / (1 + Math.exp(-x));
  const argmax = (n, at) => { let best = 0; for (let i = 1; i < n; i++) if (at(i) > at(best)) best = i; return best; };
  const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
  function softmax(n, at) { // at(0) .. at(n - 1) -> shares of 1
    let top = -Infinity, sum = 0;
    for (let i = 0; i < n; i++) top = Math.max(top, at(i));
    const shares = new Float64Array(n);
    for (let i = 0; i < n; i++) sum += shares[i] = Math.exp(at(i) - top);
    return shares.map((share) => share / sum);
  }

  Reverie.Memory = class {
    constructor(kernels, config) {
      this.kernels = kernels;
      Object.assign(this, { config: config.memory, zSize: config.z_size, members: config.members });
      this.bins = kernels.bundle.array("reward.bins");
      this.every = Array.from({ length: this.members }, (_, i) => this.#make(`memory.${i}`));
    }

    #make(name) {
      const { hidden_size, num_layers } = this.config, h = Reverie.Kernels.up(hidden_size);
      const layers = [];
      for (let i = 0; i < num_layers; i++) {
        const layer = this.kernels.weights(`${name}.lstm.${i}`);
        layers.push({ ...layer, input: this.kernels.buffer(layer.shape[1]), read: layer.shape[1] - h });
      }
      const head = this.kernels.weights(`${name}.head`);
      this.gates ??= this.kernels.buffer(4 * h);
      this.hidden ??= this.kernels.buffer(h);
      this.cell ??= this.kernels.buffer(h);
      this.heads ??= this.kernels.buffer(head.shape[0]);
      return { layers, head };
    }

    newState() {
      const { hidden_size, num_layers } = this.config;
      const zeros = () => Array.from({ length: num_layers }, () => new Float32Array(hidden_size));
      return { reward: 0, members: this.every.map(() => ({ h: zeros(), c: zeros() })) };
    }

    copyState(state) {
      const copied = (vectors) => vectors.map((vector) => vector.slice());
      return { ...state, members: state.members.map(({ h, c }) => ({ h: copied(h), c: copied(c) })) };
    }

    // Changes `state`; hidden is what the last layer of the first member gives.
    step(state, z, action) {
      const { reward_input, reward, hidden_size } = this.config;
      this.every.forEach(({ layers }, m) => {
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
          this.kernels.linear(layer, layer.input, this.gates);
          this.kernels.wasm.lstm(this.gates.at, this.hidden.at, this.cell.at, this.hidden.length);
          h[i] = this.hidden.view.slice(0, hidden_size);
          c[i] = this.cell.view.slice(0, hidden_size);
        });
      });
      return { hidden: state.members[0].h.at(-1) };
    }

    // What a member expects after a step from z: the mixture's logits (k, z or 1), mu and logsigma (k, z); reward and
    // end, null without such a head.
    expect(state, z, member = 0) {
      const { num_mixtures: k, mixture, residual, min_sigma, reward, end_head, hidden_size } = this.config;
      const n = this.zSize, wide = mixture === "shared" ? 1 : n, { head } = this.every[member];
      this.hidden.view.set(state.members[member].h.at(-1));
      this.hidden.view.fill(0, hidden_size);
      this.kernels.linear(head, this.hidden, this.heads);
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
      const { head, scale, num_bins } = this.config.reward;
      if (head === "none") return null;
      if (head === "value") return out[0] * scale;
      if (head === "sign") return Math.tanh(out[0] / 2);
      return softmax(num_bins, (i) => out[i]).reduce((sum, share, i) => sum + share * this.bins[i], 0);
    }

    // The chance in one draw of z: `uniform` chooses the component, for each dimension or for all of them.
    drawNoise(random) {
      const draws = (n, draw) => Float32Array.from({ length: n }, draw);
      const shared = this.config.mixture === "shared";
      return { uniform: draws(shared ? 1 : this.zSize, () => random.uniform()), normal: draws(this.zSize, () => random.normal()) };
    }

    // Reads M after `step(state, z, ...)`; `noise` as `drawNoise` gives it, or null at temperature 0, which needs none.
    predict(state, z, noise, temperature, member = 0) {
      const expected = this.every.map((_, i) => (this.members > 1 || i === member ? this.expect(state, z, i) : null));
      const { reward, endProbability, ...mixture } = expected[member];
      const next = this.#sample(mixture, temperature > 0 ? noise : null, temperature);
      return { z: next, reward, endProbability, doubt: this.members > 1 ? this.#doubt(expected) : null };
    }

    // As models/distributions.py: weights sharpened by 1 / temperature, deviations times its root; at 0 the mean of the
    // heaviest component.
    #sample({ logits, mu, logsigma }, noise, temperature) {
      const n = this.zSize, k = this.config.num_mixtures, wide = logits.length / k, z = new Float32Array(n);
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
      const n = this.zSize, k = this.config.num_mixtures;
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
  };
})();
