"use strict";
// The kernels of engine.wasm, and the memory that they compute in; V, M and C share one.
globalThis.Reverie ??= {};

Reverie.Kernels = class Kernels {
  // How many floats a vector of n takes up: they compute four at a time.
  static up = (n) => 4 * Math.ceil(n / 4);

  static async create(wasmBytes, bundle) {
    const { instance } = await WebAssembly.instantiate(wasmBytes, {});
    return new Kernels(instance.exports, bundle);
  }

  constructor(wasm, bundle) {
    Object.assign(this, { wasm, bundle, buffers: [] });
  }

  // Memory for `length` floats or bytes; `view` is theirs once all is built.
  buffer(length, kind = Float32Array) {
    const buffer = { at: this.wasm.allocate(length * kind.BYTES_PER_ELEMENT), length, kind, view: null };
    this.buffers.push(buffer);
    return buffer;
  }

  makeViews() {
    for (const b of this.buffers) b.view = new b.kind(this.wasm.memory.buffer, b.at, b.length);
  }

  // The layer called `name`: where its weight and bias are, and the shape of its weight.
  weights(name) {
    const found = {};
    for (const part of ["weight", "bias"]) {
      const numbers = this.bundle.array(`${name}.${part}`), buffer = this.buffer(numbers.length);
      new Float32Array(this.wasm.memory.buffer, buffer.at, buffer.length).set(numbers);
      found[part] = buffer.at;
    }
    return { ...found, shape: this.bundle.shape(`${name}.weight`) };
  }

  // y = weight x + bias, of two buffers.
  linear(layer, x, y) {
    this.wasm.linear(layer.weight, layer.bias, x.at, y.at, ...layer.shape);
  }
};
