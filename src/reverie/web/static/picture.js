"use strict";
// Pictures as numbers: what V is given, how far two are apart, and how they come onto a canvas.
globalThis.Reverie ??= {};

Reverie.SIDE = 64;

// A picture of the world (width 96, three bytes a pixel), of which `rows` from the top are kept, as V sees it:
// 64 x 64 x 3 bytes by area average, rounded as NumPy rounds.
Reverie.toFrame = (() => {
  const shares = new Map();
  const sharesOf = (size) => {
    if (!shares.has(size)) {
      const step = size / Reverie.SIDE;
      shares.set(size, Array.from({ length: Reverie.SIDE }, (_, i) => {
        const parts = [];
        for (let p = Math.floor(i * step); p < size && p < (i + 1) * step; p++) {
          const share = (Math.min((i + 1) * step, p + 1) - Math.max(i * step, p)) / step;
          if (share > 0) parts.push([p, share]);
        }
        return parts;
      }));
    }
    return shares.get(size);
  };
  const round = (x) => {
    const low = Math.floor(x), rest = x - low;
    return rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low;
  };
  return (pixels, width, rows) => {
    const frame = new Uint8Array(Reverie.SIDE * Reverie.SIDE * 3), across = sharesOf(width), down = sharesOf(rows);
    let at = 0;
    for (const above of down) {
      for (const beside of across) {
        let red = 0, green = 0, blue = 0;
        for (const [y, tall] of above) {
          for (const [x, wide] of beside) {
            const from = 3 * (y * width + x), share = tall * wide;
            red += share * pixels[from];
            green += share * pixels[from + 1];
            blue += share * pixels[from + 2];
          }
        }
        frame[at++] = round(red);
        frame[at++] = round(green);
        frame[at++] = round(blue);
      }
    }
    return frame;
  };
})();

// Three bytes a pixel -> four.
Reverie.opaque = (frame) => {
  const rgba = new Uint8ClampedArray((frame.length / 3) * 4).fill(255);
  for (let from = 0, to = 0; from < frame.length; from += 3, to += 4) {
    rgba[to] = frame[from];
    rgba[to + 1] = frame[from + 1];
    rgba[to + 2] = frame[from + 2];
  }
  return rgba;
};

// Mean difference of two pictures of four bytes a pixel, in levels of 255; how opaque they are does not count.
Reverie.apart = (one, other) => {
  let sum = 0;
  for (let i = 0; i < one.length; i += 4) {
    sum += Math.abs(one[i] - other[i]) + Math.abs(one[i + 1] - other[i + 1]) + Math.abs(one[i + 2] - other[i + 2]);
  }
  return sum / (one.length * 0.75);
};

// Root mean square difference of two latents.
Reverie.distance = (one, other) => Math.sqrt(one.reduce((sum, x, i) => sum + (x - other[i]) ** 2, 0) / one.length);

// Puts a 64 x 64 picture of four bytes a pixel on a canvas, which takes that size.
Reverie.show = (canvas, rgba) => {
  if (canvas.width !== Reverie.SIDE || canvas.height !== Reverie.SIDE) {
    canvas.width = canvas.height = Reverie.SIDE;
  }
  const bytes = rgba instanceof Uint8ClampedArray ? rgba : new Uint8ClampedArray(rgba);
  canvas.getContext("2d").putImageData(new ImageData(bytes, Reverie.SIDE, Reverie.SIDE), 0, 0);
};
