"use strict";
// V of a run: frames to latents, and back.
(() => {
  const Reverie = (globalThis.Reverie ??= {});
  const BORDER = 2, SLACK = 8, SIZE = 64;

  Reverie.Vision = class {
    constructor(kernels, config) {
      this.kernels = kernels;
      this.zSize = config.z_size;
      this.#makeEncoder();
      this.#makeDecoder();
    }

    #makeEncoder() {
      this.frame = this.kernels.buffer(SIZE * SIZE * 3, Uint8Array);
      this.convolutions = [];
      let size = SIZE, map = this.kernels.buffer(SIZE * SIZE * 3 + 64);
      for (let i = 0; i < 4; i++) {
        const layer = this.kernels.weights(`encoder.${i}`), [, , before, after] = layer.shape, half = (size >> 1) - 1;
        const next = this.kernels.buffer(half * half * after + 4 * after);
        this.convolutions.push({ ...layer, size, before, after, from: map, to: next });
        [size, map] = [half, next];
      }
      this.latentLayer = this.kernels.weights("encoder.latent");
      this.latent = this.kernels.buffer(this.latentLayer.shape[0]);
    }

    encode(rgb) {
      const k = this.kernels.wasm, z = this.zSize;
      this.frame.view.set(rgb);
      k.scale(this.frame.at, this.convolutions[0].from.at, rgb.length);
      for (const c of this.convolutions) k.halve(c.from.at, c.weight, c.bias, c.to.at, c.size, c.before, c.after);
      this.kernels.linear(this.latentLayer, this.convolutions[3].to, this.latent);
      const out = this.latent.view; // LOGVAR_LIMIT of models/autoencoder.py
      return { mu: out.slice(0, z), logvar: out.slice(z, 2 * z).map((x) => 20 * Math.tanh(x / 20)) };
    }

    #makeDecoder() {
      this.firstLayer = this.kernels.weights("decoder.0");
      this.z = this.kernels.buffer(this.firstLayer.shape[1]);
      this.firstMap = this.kernels.buffer(this.firstLayer.shape[0]);
      this.doublings = [];
      let size = 5;
      for (let i = 1; i <= 3; i++) {
        const layer = this.kernels.weights(`decoder.${i}`), [taps, before, after] = layer.shape, kernel = Math.sqrt(taps);
        const row = (size + 2 * BORDER + SLACK) * before;
        this.doublings.push({ ...layer, size, kernel, before, after, row, map: this.kernels.buffer(size * row) });
        size = 2 * (size - 1) + kernel;
      }
      this.colours = this.kernels.buffer(SIZE * SIZE * 4);
      this.picture = this.kernels.buffer(SIZE * SIZE * 4, Uint8ClampedArray);
    }

    decode(z) {
      const k = this.kernels.wasm, [first, second, third] = this.doublings;
      const inside = (layer) => layer.map.at + 4 * BORDER * layer.before; // behind the border of its first row
      this.z.view.set(z);
      this.kernels.linear(this.firstLayer, this.z, this.firstMap);
      k.rectify(this.firstMap.at, this.firstMap.length);
      k.place(this.firstMap.at, inside(first), 5, 5 * first.before, first.row);
      for (const [a, b] of [[first, second], [second, third]])
        k.double_features(a.map.at, a.weight, a.bias, inside(b), a.size, a.kernel, a.before, a.after, b.row);
      const { map, weight, bias, size, kernel, before } = third;
      k.double_colours(map.at, weight, bias, this.colours.at, size, kernel, before, SIZE * 4);
      k.paint(this.colours.at, this.picture.at, SIZE * SIZE);
      return this.picture.view;
    }
  };
})();
