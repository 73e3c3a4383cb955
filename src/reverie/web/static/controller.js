"use strict";
// C of a run: what it does about what is seen and remembered.
(() => {
  const Reverie = (globalThis.Reverie ??= {});

  Reverie.Controller = class {
    constructor(kernels, config) {
      this.kernels = kernels;
      this.config = config.controller;
      const count = this.config.hidden_size ? 2 : 1;
      this.layers = Array.from({ length: count }, (_, i) => {
        const layer = this.kernels.weights(`controller.${i}`);
        return { ...layer, input: this.kernels.buffer(layer.shape[1]) };
      });
      this.outputs = this.kernels.buffer(this.layers.at(-1).shape[0]);
    }

    act(state, z) {
      const { inputs, actions } = this.config, [first, second] = this.layers;
      const { h, c } = state.members[0], parts = { z, h: h.at(-1), c: c.at(-1) };
      let at = 0;
      for (const name of inputs) {
        first.input.view.set(parts[name], at);
        at += Reverie.Kernels.up(parts[name].length);
      }
      this.kernels.linear(first, first.input, second ? second.input : this.outputs);
      if (second) {
        this.kernels.wasm.squash(second.input.at, second.input.length);
        this.kernels.linear(second, second.input, this.outputs);
      }
      return toAction[actions.kind](this.outputs.view, actions);
    }
  };

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
        const these = outputs.subarray(at, at + n);
        hot[at + these.indexOf(Math.max(...these))] = 1;
        at += n;
      }
      return hot;
    },
  };
})();
