"use strict";
// The view `See`: a real frame, what V keeps of it, and sliders for edits by name and for each number of the latent.
globalThis.Reverie ??= {};

const MOMENTS_SHOWN = 8;
const REACH = 3; // deviations to either side of a slider's middle
const PUSH = 0.15; // of what is pushed, at each decision

Reverie.See = class {
  constructor(host, page, { say }) {
    Object.assign(this, { host, page, say });
    this.run = page.run;
    this.latents = this.run.header.latents;
    this.edit = new Float32Array(this.run.size); // in deviations
    this.mode = "still";
    this.built = false;
  }

  enter() {
    if (!this.built) this.build();
    this.left = 0;
  }

  // Real moments of a track that C drives; without a road, those of the bank as V remembers them.
  moments() {
    const { engine, world } = this.run;
    if (!this.page.roadDrive) {
      const step = Math.floor(engine.numMoments / MOMENTS_SHOWN);
      return Array.from({ length: MOMENTS_SHOWN }, (_, i) => {
        const moment = engine.moment(i * step);
        return { ...moment, rgba: engine.decode(moment.z).slice() };
      });
    }
    const found = [], drive = this.page.roadDrive();
    drive.begin(this.page.stage.track);
    for (let i = 0; found.length < MOMENTS_SHOWN && !drive.over; i++) {
      if (i) drive.look();
      if (i % 20 === 12) found.push({ ...drive.moment(), state: engine.copyState(drive.state), rgba: Reverie.opaque(drive.frame) });
      drive.decide(drive.act());
      for (let k = 0; k < world.repeat; k++) drive.advance();
    }
    return found;
  }

  build() {
    const { make } = Reverie, real = !!this.page.roadDrive;
    this.built = true;
    this.shown = this.moments();
    this.strip = this.shown.map((moment, i) => {
      const canvas = make("canvas", { width: 64, height: 64 });
      Reverie.show(canvas, moment.rgba);
      return make("button", { class: "moment", "aria-label": `Moment ${i + 1}`, onclick: () => this.choose(i) }, canvas);
    });
    this.given = Reverie.picture(real ? "a real frame" : "a moment at which dreams begin", "road");
    this.seen = Reverie.picture("what V keeps of it", "dream");
    this.changed = Reverie.picture("with your changes", "you");
    this.modes = ["still", "hold", "push"].map((mode) => make("button", { "aria-pressed": mode === "still", onclick: () => this.setMode(mode) }, { still: "Still", hold: "Hold in the dream", push: "Push the dream" }[mode]));
    this.others = this.page.entries.length > 1 ? make("div", { class: "others" }) : "";
    const sliders = make("div", { class: "latents" });
    this.sliders = this.latents.order.map((d, rank) => {
      const id = `latent-${d}`, input = make("input", { type: "range", id, min: -REACH, max: REACH, step: 0.05, value: 0 });
      const bar = make("i", { style: `width:${(100 * this.latents.deviation[d]) / this.latents.deviation[this.latents.order[0]]}%` });
      input.oninput = () => this.slide(d, +input.value);
      sliders.append(make("div", { class: "latent" }, make("label", { for: id, title: `number ${rank + 1} by what it tells` }, `z${d}`, make("span", { class: "tells" }, bar)), input));
      return [d, input];
    });
    this.named = make("div", {});
    this.showEdits();
    this.path = make("input", { type: "range", min: 0, max: 1, step: 0.01, value: 0, "aria-label": "From A to B", oninput: () => this.between() });
    this.way = make("div", { class: "way" }, ...Array.from({ length: 7 }, () => make("canvas", { width: 64, height: 64, role: "img", "aria-label": "on the way from A to B" })));
    this.host.append(
      make("section", { class: "panel" }, make("h2", {}, real ? "Moments of a real drive" : "Moments at which dreams begin (this file has no road)"), make("div", { class: "strip" }, ...this.strip)),
      make("div", { class: "seeing" },
        make("section", { class: "panel" },
          make("div", { class: "three" }, this.given.figure, this.seen.figure, this.changed.figure),
          make("div", { class: "transport", role: "group", "aria-label": "Where the changes go" }, ...this.modes, make("button", { onclick: () => this.clear() }, "Undo all")),
          (this.hint = make("p", { class: "hint", role: "status" })), this.named, this.others && make("h2", { class: "gap" }, "The same frame, by the V of other runs"), this.others,
          make("h2", { class: "gap" }, "From one moment to another"),
          make("p", { class: "hint" }, "Press A or B to take the moment above; the slider goes from one to the other through the latent."),
          make("div", { class: "pathrow" }, make("button", { onclick: () => this.mark(0) }, "A"), this.path, make("button", { onclick: () => this.mark(1) }, "B")),
          this.way),
        make("section", { class: "panel", "aria-labelledby": "latents-title" }, make("h2", { id: "latents-title" }, `The ${this.run.size} numbers that V keeps`), make("p", { class: "hint" }, "Those that tell most come first; the bar says how much a number varies over the road. A slider goes three deviations to either side."), sliders)));
    const [first] = this.shown, far = (moment) => Reverie.distance(first.z, moment.z);
    this.ends = [first, this.shown.reduce((best, moment) => (far(moment) > far(best) ? moment : best))];
    this.choose(1 % this.shown.length);
    this.setMode("still");
    this.drawWay();
  }

  // Sliders for what has a name.
  showEdits() {
    if (!this.built) return;
    this.edits = new Reverie.Edits(this.run.header.edits, () => this.slid());
    this.named.textContent = "";
    if (this.edits.rows.length) this.named.append(Reverie.make("h2", { class: "gap" }, "Change it by name"), this.edits.panel);
  }

  choose(i) {
    this.moment = this.shown[i];
    this.strip.forEach((button, k) => button.setAttribute("aria-pressed", k === i));
    Reverie.show(this.given.canvas, this.moment.rgba);
    const seen = this.run.engine.decode(this.moment.z);
    Reverie.show(this.seen.canvas, seen);
    this.seen.caption.textContent = `what V keeps of it${this.page.roadDrive ? `, ${Reverie.apart(seen, this.moment.rgba).toFixed(1)} levels apart` : ""}`;
    this.begin();
    this.showOthers();
  }

  // What the V of each other run makes of the same frame.
  async showOthers() {
    if (!this.others || !this.page.roadDrive) return;
    const { moment } = this, runs = (await this.page.allRuns()).filter((run) => run !== this.run);
    if (moment !== this.moment) return;
    const frame = moment.rgba.filter((_, i) => i % 4 < 3);
    this.others.textContent = "";
    for (const run of runs) {
      const { figure, canvas, caption } = Reverie.picture("", "dream", `what the V of ${run.name} keeps`);
      const seen = run.engine.decode(run.engine.encode(frame).mu);
      Reverie.show(canvas, seen);
      caption.textContent = `${run.name} (${run.header.config.vision.kind}), ${Reverie.apart(seen, moment.rgba).toFixed(1)} levels`;
      this.others.append(figure);
    }
  }

  begin() {
    this.dream = new Reverie.Dream(this.run, 1);
    this.dream.take(this.moment);
    this.showChanged();
  }

  setMode(mode) {
    this.mode = mode;
    this.modes.forEach((button, i) => button.setAttribute("aria-pressed", ["still", "hold", "push"][i] === mode));
    this.hint.textContent = { still: "The sliders change this one picture.", hold: "C drives on in the dream; what you moved is held where you put it, whatever M says.", push: "C drives on in the dream; what you moved is pushed a little at every decision." }[mode];
    this.changed.caption.textContent = mode === "still" ? "with your changes" : "the dream, with your changes";
    this.begin();
  }

  slide(d, value) {
    this.edit[d] = value;
    this.slid();
  }

  slid() {
    if (this.mode === "still") this.showChanged();
  }

  clear() {
    this.edit.fill(0);
    this.edits.clear();
    for (const [, input] of this.sliders) input.value = 0;
    this.begin();
  }

  // Changes a latent as the sliders stand.
  apply(z) {
    const { mean, deviation } = this.latents, share = this.mode === "push" ? PUSH : 1;
    if (this.mode === "hold") this.edits.hold(z, this.moment.z);
    else this.edits.add(z, share);
    for (let d = 0; d < z.length; d++) {
      if (!this.edit[d]) continue;
      if (this.mode === "hold") z[d] = mean[d] + this.edit[d] * deviation[d];
      else z[d] += this.edit[d] * deviation[d] * share;
    }
  }

  showChanged() {
    const z = this.moment.z.slice();
    this.apply(z);
    Reverie.show(this.changed.canvas, this.run.engine.decode(z));
  }

  // One picture of a dream that goes on.
  frame(seconds) {
    if (this.mode === "still") return;
    const { repeat, fps } = this.run.world, decision = repeat / fps;
    this.left = Math.min(this.left + seconds, 0.2);
    for (; this.left >= decision; this.left -= decision) {
      if (this.dream.over) this.begin();
      this.dream.decide(this.dream.act(), this.page.stage.temperature, (z) => this.apply(z));
    }
    Reverie.show(this.changed.canvas, this.dream.picture(this.left / decision));
  }

  mark(end) {
    this.ends[end] = this.moment;
    this.drawWay();
    this.say(`${"AB"[end]} is this moment.`);
  }

  on(share) {
    const [a, b] = this.ends;
    return a.z.map((x, i) => x + (b.z[i] - x) * share);
  }

  drawWay() {
    [...this.way.children].forEach((canvas, i) => Reverie.show(canvas, this.run.engine.decode(this.on(i / 6))));
  }

  between() {
    this.setMode("still");
    Reverie.show(this.changed.canvas, this.run.engine.decode(this.on(+this.path.value)));
    this.changed.caption.textContent = `${Math.round(100 * this.path.value)}% of the way from A to B`;
  }
};
