// node road_view.js ROAD_JS ROAD_WASM: the large view beside the observation, at moments of a drive. Prints for each the
// share of the observation's cells (without the panel) whose middle has nearly the same colour in the large view.
"use strict";

const fs = require("fs");
const vm = require("vm");

const [script, wasm] = process.argv.slice(2);
vm.runInThisContext(fs.readFileSync(script, "utf8"), script);

/** A canvas that remembers its polygons, in its own pixels, and knows the colour of any place. */
class Canvas {
  constructor(width, height) {
    Object.assign(this, { width, height, matrix: [1, 0, 0, 1, 0, 0], saved: [], polygons: [] });
  }
  getContext() {
    return this;
  }
  setTransform(...matrix) {
    this.matrix = matrix;
  }
  transform(a, b, c, d, e, f) {
    const [p, q, r, s, t, u] = this.matrix;
    this.matrix = [p * a + r * b, q * a + s * b, p * c + r * d, q * c + s * d, p * e + r * f + t, q * e + s * f + u];
  }
  translate(x, y) {
    this.transform(1, 0, 0, 1, x, y);
  }
  scale(x, y) {
    this.transform(x, 0, 0, y, 0, 0);
  }
  rotate(angle) {
    this.transform(Math.cos(angle), Math.sin(angle), -Math.sin(angle), Math.cos(angle), 0, 0);
  }
  save() {
    this.saved.push(this.matrix);
  }
  restore() {
    this.matrix = this.saved.pop();
  }
  beginPath() {
    this.path = [];
  }
  lineTo(x, y) {
    const [a, b, c, d, e, f] = this.matrix;
    this.path.push([a * x + c * y + e, b * x + d * y + f]);
  }
  closePath() {}
  stroke() {}
  fill() {
    this.polygons.push([this.path, this.fillStyle]);
  }
  fillRect(x, y, width, height) {
    this.beginPath();
    for (const [i, j] of [[0, 0], [1, 0], [1, 1], [0, 1]]) this.lineTo(x + i * width, y + j * height);
    this.fill();
  }
  colorAt(x, y) {
    const inside = ([path]) => {
      let odd = false;
      path.forEach(([x1, y1], i) => {
        const [x0, y0] = path.at(i - 1);
        if (y0 > y !== y1 > y && x < x0 + ((y - y0) / (y1 - y0)) * (x1 - x0)) odd = !odd;
      });
      return odd;
    };
    const color = this.polygons.findLast(inside)[1];
    const named = { "#000": [0, 0, 0], "#fff": [255, 255, 255], "#f00": [255, 0, 0] };
    return named[color] ?? color.match(/\d+/g).map(Number);
  }
}

Reverie.Road.create(fs.readFileSync(wasm)).then((road) => {
  const shares = [];
  road.reset(5);
  for (let frame = 1; frame <= 400; frame++) {
    road.step([frame > 150 ? Math.sin(frame / 25) / 3 : 0, frame < 120 ? 0.8 : 0.1, 0]);
    if (frame % 40 && frame !== 10) continue;
    const canvas = new Canvas(1000, 700);
    road.largeView(canvas);
    const pixels = road.pixels();
    let alike = 0;
    for (let y = 0; y < 84; y++) {
      for (let x = 0; x < 96; x++) {
        const color = canvas.colorAt(((x + 0.5) * 1000) / 96, ((y + 0.5) * 700) / 84);
        alike += color.every((level, c) => Math.abs(level - pixels[3 * (96 * y + x) + c]) <= 8);
      }
    }
    shares.push(alike / (84 * 96));
  }
  console.log(JSON.stringify(shares));
});
