"use strict";
// Edits by name: directions in latent space along which something that people have a word for changes (web/edits.py),
// each with a slider.
globalThis.Reverie ??= {};

const EDIT_REACH = 1.5; // of a direction, to either side

Reverie.Edits = class {
  // `edits` is [{name, vector}] of a run's header; `changed()` is told that a slider was moved. `panel` shows them.
  constructor(edits, changed) {
    const { make } = Reverie;
    this.rows = edits.map(({ name, vector }, i) => {
      const length = Math.hypot(...vector), id = `edit-${i}`;
      const input = make("input", { type: "range", id, min: -EDIT_REACH, max: EDIT_REACH, step: 0.05, value: 0, oninput: changed });
      return { name, length, along: vector.map((x) => x / length), input, label: make("label", { for: id }, name) };
    });
    this.panel = make("div", { class: "edits" }, ...this.rows.map(({ label, input }) => make("div", {}, label, input)));
  }

  clear() {
    for (const { input } of this.rows) input.value = 0;
  }

  // Changes a latent by a `share` of what the sliders say.
  add(z, share) {
    for (const { input, length, along } of this.rows) move(z, along, share * input.value * length);
  }

  // Puts a latent where the sliders say, along each direction that was moved, seen from where the latent `from` is.
  hold(z, from) {
    for (const { input, length, along } of this.rows) {
      if (+input.value) move(z, along, dot(from, along) + input.value * length - dot(z, along));
    }
  }
};

function dot(one, other) {
  return one.reduce((sum, x, i) => sum + x * other[i], 0);
}

function move(z, along, far) {
  for (let d = 0; d < z.length; d++) z[d] += far * along[d];
}
