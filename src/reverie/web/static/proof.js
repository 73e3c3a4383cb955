"use strict";
// The view `Proof`: how the run came about, what it scored, and a button that scores it here.
globalThis.Reverie ??= {};

const TRACKS = 100;
const TOLD = [
  ["env.id", "world"], ["collect.episodes", "episodes collected"], ["vision.model", "V"], ["vision.epochs", "V: epochs"],
  ["memory.model.hidden_size", "M: hidden size"], ["memory.model.mixture", "M: mixture"], ["memory.steps", "M: steps"],
  ["memory.members", "M: members"], ["controller.model.inputs", "C reads"], ["controller.learner", "C: learner"],
  ["controller.world", "C learns on"], ["controller.search.strategy.name", "C: strategy"], ["seed", "seed"],
];
const STAGES = { collect: "collect", vision: "V", encode: "encode", memory: "M", controller: "C", evaluate: "evaluate" };

Reverie.Proof = class {
  constructor(host, page, { say, bytesOf }) {
    Object.assign(this, { host, page, say, bytesOf });
    this.header = page.run.header;
    host.textContent = "";
    host.append(this.scoreCard(), Reverie.make("div", { class: "proof" }, this.curveCard(), this.recipeCard()));
  }

  enter() {
    this.drawDots();
    this.drawCurve();
  }

  leave() {
    this.scorer?.stop();
    if (this.scorer && this.found.length < TRACKS) this.told.textContent = "Stopped.";
    this.scorer = null;
    this.button.textContent = `Score ${TRACKS} tracks here`;
  }

  scoreCard() {
    const { make } = Reverie, { score } = this.header;
    const published = score
      ? [make("p", { class: "big" }, score.mean.toFixed(1)), make("p", { class: "hint" }, `mean of ${score.num_tracks} tracks that nothing was trained or chosen on, 95% interval ${score.ci95.map((x) => x.toFixed(0)).join(" to ")}; measured by reverie evaluate`)]
      : [make("p", { class: "hint" }, "This run was not evaluated.")];
    this.found = [];
    this.here = make("p", { class: "big" }, "–");
    this.told = make("p", { class: "hint", role: "status" }, this.page.roadWasm ? "Every track by its seed, 0 to 99, as Gymnasium makes it: the same V, M and C, the same physics, in this page." : "This file was made without the road: build it with make web and export again.");
    this.bar = make("progress", { max: TRACKS, value: 0, "aria-label": "Tracks scored", hidden: true });
    this.button = make("button", { class: "strong", id: "verify", disabled: !this.page.roadWasm, onclick: () => this.verify() }, `Score ${TRACKS} tracks here`);
    this.dots = make("div", { class: "chart" });
    return make("section", { class: "panel score", "aria-labelledby": "score-title" },
      make("h2", { id: "score-title" }, "What C scores on the real road"),
      make("div", { class: "numbers" },
        make("div", {}, make("h3", {}, "published"), ...published),
        make("div", {}, make("h3", {}, "here"), this.here, this.told, this.bar, this.button)),
      this.dots,
      make("p", { class: "hint" }, "One track is chaos: a last bit decides whether the car saves itself. Only the mean is promised, to within its interval."));
  }

  async verify() {
    if (this.scorer) return this.leave();
    const bytes = await this.bytesOf(this.page.entries.find((one) => one.name === this.page.run.name));
    const begun = performance.now();
    this.found = [];
    this.button.textContent = "Stop";
    this.bar.hidden = false;
    this.say("Scoring has begun.");
    this.scorer = new Reverie.Scorer({
      bytes, wasm: this.page.wasm, road: this.page.roadWasm, num: TRACKS,
      failed: (error) => (this.told.textContent = `It failed: ${error.message}`),
      each: (one) => {
        this.found.push(one);
        const { mean, half } = Reverie.meanOf(this.found.map((each) => each.return)), n = this.found.length;
        this.here.textContent = mean.toFixed(1);
        this.bar.value = n;
        this.drawDots();
        const done = n === TRACKS, seconds = ((performance.now() - begun) / 1000).toFixed(0);
        const words = `${n} of ${TRACKS} tracks, 95% interval ${(mean - half).toFixed(0)} to ${(mean + half).toFixed(0)}, ${seconds} s`;
        if (done || n % 10 === 0) this.told.textContent = words;
        if (done) {
          this.scorer.stop();
          this.scorer = null;
          this.button.textContent = "Score again";
          this.result = { mean, half, seconds: +seconds };
        }
      },
    });
    return undefined;
  }

  // Each track as a dot: published above, here below.
  drawDots() {
    const { draw } = Reverie, host = this.dots, width = Math.max(240, host.clientWidth || 600), height = 120;
    host.textContent = "";
    const svg = draw(host, "svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Returns track by track" });
    const rows = [["published", "dream", this.header.score?.returns ?? []], ["here", "road", this.found.map((one) => one.return)]];
    const all = rows.flatMap(([, , values]) => values), low = Math.min(800, ...all), high = Math.max(950, ...all);
    const at = (x) => 80 + ((x - low) / (high - low)) * (width - 100);
    for (const tick of Reverie.ticks(low, high, width > 500 ? 8 : 4)) {
      draw(svg, "line", { class: "grid", x1: at(tick), x2: at(tick), y1: 8, y2: height - 24 });
      draw(svg, "text", { x: at(tick), y: height - 6, "text-anchor": "middle" }, String(tick));
    }
    rows.forEach(([name, tone, values], row) => {
      const y = 30 + 44 * row;
      draw(svg, "text", { x: 0, y: y + 4 }, name);
      values.forEach((value, i) => draw(svg, "circle", { class: `dot-${tone}`, cx: at(value), cy: y + ((i * 7) % 15) - 7, r: 3.2 }));
    });
  }

  curveCard() {
    const { make } = Reverie;
    this.curve = make("div", {});
    return make("section", { class: "panel", "aria-labelledby": "curve-title" }, make("h2", { id: "curve-title" }, "How C learned"), this.curve);
  }

  drawCurve() {
    const { curves } = this.header;
    const x = curves.hours?.map((hours) => hours * 60), columns = { mean: curves.mean_return, best: curves.max_return, kept: curves.eval_mean_return };
    if (!x || !columns.mean) return void (this.curve.textContent = "This run has no log of its learning.");
    const chart = new Reverie.Chart(this.curve, {
      label: "Return of C over minutes of search", across: "minutes", up: "return", height: 230,
      lines: { mean: { name: "mean of a generation", tone: "dream" }, best: { name: "its best episode", tone: "dim" }, kept: { name: "on tracks of validation", tone: "road" } },
    });
    const series = {}, said = {};
    for (const [key, values] of Object.entries(columns)) {
      series[key] = (values ?? []).map((y, i) => [x[i], y]).filter(([, y]) => y !== null);
      said[key] = series[key].at(-1)?.[1].toFixed(0) ?? "";
    }
    const all = Object.values(series).flat().map(([, y]) => y);
    chart.draw(series, [0, x.at(-1)], [Math.min(0, ...all), Math.max(...all)], said);
    return undefined;
  }

  recipeCard() {
    const { make } = Reverie, { recipe, stages, name } = this.header;
    const row = (term, value) => make("div", {}, make("dt", {}, term), make("dd", {}, String(value)));
    const told = TOLD.filter(([key]) => key in recipe).map(([key, term]) => row(term, recipe[key]));
    const spent = Object.entries(stages).filter(([key]) => key in STAGES).map(([key, seconds]) => row(STAGES[key], seconds < 100 ? `${seconds.toFixed(0)} s` : `${(seconds / 60).toFixed(1)} min`));
    const rest = Object.entries(recipe).map(([key, value]) => row(key, value));
    return make("section", { class: "panel", "aria-labelledby": "recipe-title" },
      make("h2", { id: "recipe-title" }, `How ${name} was made`),
      make("p", { class: "hint" }, `recipe ${recipe.name}: ${recipe.description.replaceAll("`", "")}`),
      make("dl", { class: "facts" }, ...told),
      make("h3", {}, "time"), make("dl", { class: "facts" }, ...spent),
      make("details", {}, make("summary", {}, "every setting"), make("dl", { class: "facts" }, ...rest)));
  }
};
