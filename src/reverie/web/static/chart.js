"use strict";
// Small line charts as SVG, in the colours of the page.
globalThis.Reverie ??= {};

const SVG = "http://www.w3.org/2000/svg";

// An SVG element with attributes, in `parent`.
Reverie.draw = (parent, name, attributes = {}, text = "") => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  parent.append(element);
  return element;
};

// Round numbers that divide a range into about `count` parts.
Reverie.ticks = (low, high, count) => {
  const rough = (high - low) / count || 1, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((x) => x * power).find((x) => x >= rough * 0.999);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) found.push(+(i * step).toFixed(10));
  return found;
};

Reverie.Chart = class {
  // In `host`: `lines` is {key: {name, tone}}, `across` and `up` name the axes, `label` says it to those who listen.
  constructor(host, { lines, across, up, label, height = 190 }) {
    host.textContent = "";
    host.classList.add("chart");
    this.host = host;
    Object.assign(this, { lines, across, up, height });
    this.svg = Reverie.draw(host, "svg", { role: "img", "aria-label": label });
    this.legend = document.createElement("ul");
    this.legend.className = "legend";
    this.values = {};
    for (const [key, { name, tone }] of Object.entries(lines)) {
      const item = document.createElement("li"), value = document.createElement("b");
      item.className = `tone-${tone}`;
      item.append(`${name} `, value);
      this.values[key] = value;
      this.legend.append(item);
    }
    host.append(this.legend);
  }

  // `series` is {key: [[x, y], ...]}; x and y are [low, high] of the axes; `said` is {key: what the legend adds}.
  draw(series, x, y, said = {}) {
    const width = Math.max(240, this.host.clientWidth || 600), { height, svg } = this;
    const left = 46, right = 10, top = 24, bottom = 34;
    const atX = (v) => left + ((v - x[0]) / (x[1] - x[0] || 1)) * (width - left - right);
    const atY = (v) => height - bottom - ((v - y[0]) / (y[1] - y[0] || 1)) * (height - top - bottom);
    svg.textContent = "";
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    for (const v of Reverie.ticks(...y, 3)) {
      Reverie.draw(svg, "line", { class: "grid", x1: left, x2: width - right, y1: atY(v), y2: atY(v) });
      Reverie.draw(svg, "text", { x: left - 8, y: atY(v) + 4, "text-anchor": "end" }, String(v));
    }
    for (const v of Reverie.ticks(...x, width > 500 ? 8 : 4)) {
      Reverie.draw(svg, "text", { x: atX(v), y: height - bottom + 16, "text-anchor": "middle" }, String(v));
    }
    Reverie.draw(svg, "text", { x: width - right, y: height - 3, "text-anchor": "end" }, this.across);
    Reverie.draw(svg, "text", { x: 0, y: 12 }, this.up);
    for (const [key, { tone }] of Object.entries(this.lines)) {
      const points = (series[key] ?? []).map(([a, b]) => `${atX(a).toFixed(1)},${atY(b).toFixed(1)}`);
      if (points.length) Reverie.draw(svg, "path", { class: `line tone-${tone}`, d: `M${points.join("L")}` });
      this.values[key].textContent = said[key] ?? "";
    }
  }
};
