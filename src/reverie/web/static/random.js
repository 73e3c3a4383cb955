"use strict";
// Chance that a seed brings back.
globalThis.Reverie ??= {};

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
