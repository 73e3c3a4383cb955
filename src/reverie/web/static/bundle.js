"use strict";
// A run as bytes: what is in it is said in web/bundle.py.
//
//   bundle = Reverie.openBundle(bytes)          bundle.header, bundle.array(name), bundle.shape(name)
(() => {
  const Reverie = (globalThis.Reverie ??= {});
  const MAGIC = "reverie\x01", BLOCK = 64;

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
      const numbers = new Float32Array(size);
      for (let i = 0; i < size; i++) numbers[i] = whole[i] * factors[Math.floor(i / BLOCK)];
      return numbers;
    };
    const array = (name) => {
      if (!known.has(name)) known.set(name, read(header.arrays[name]));
      return known.get(name);
    };
    return { header, array, shape: (name) => header.arrays[name].shape };
  };
})();
