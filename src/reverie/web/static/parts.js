"use strict";
// Pieces of views that are made by script.
globalThis.Reverie ??= {};

// An element: `make("button", {class: "strong", onclick}, "words", child, ...)`.
Reverie.make = (name, properties = {}, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) element[key] = value;
    else if (key.startsWith("aria-")) element.setAttribute(key, value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
};

// Lets a button do something. One that was clicked gives the keyboard back, so that space goes on to mean pause; one that
// was pressed by a key keeps it.
Reverie.onPress = (button, what) => {
  button.onclick = (event) => {
    if (event.detail) button.blur();
    what();
  };
};

// A 64 x 64 picture in a frame with words below it.
Reverie.picture = (words, tone = "dream", label = words) => {
  const canvas = Reverie.make("canvas", { width: 64, height: 64, role: "img", "aria-label": label });
  const caption = Reverie.make("figcaption", {}, words);
  const figure = Reverie.make("figure", { class: `picture ${tone}` }, Reverie.make("div", { class: "screen" }, canvas), caption);
  return { figure, canvas, caption };
};

// Mean and half of its 95% interval.
Reverie.meanOf = (values) => {
  const n = values.length, mean = values.reduce((a, b) => a + b, 0) / n;
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(1, n - 1);
  return { mean, half: 1.96 * Math.sqrt(variance / n) };
};
