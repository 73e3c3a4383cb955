"use strict";
// The view `Compare`: several runs, each with a car of its own on the same track, side by side.
globalThis.Reverie ??= {};

const TONES = ["dream", "road", "you", "dim"];
const SPEEDS = [1, 4, 16];

Reverie.Compare = class {
  constructor(host, page, { say }) {
    Object.assign(this, { host, page, say });
    this.built = false;
    this.speed = 1;
    this.totals = new Map();
  }

  async enter() {
    if (this.built) return;
    this.built = true;
    const { make } = Reverie;
    if (!this.page.roadWasm) {
      this.host.append(make("p", { class: "notice" }, "Runs are compared on the road, and this file was made without it: build it with make web and export again."));
      return;
    }
    this.host.append(make("p", { class: "notice" }, "Opening the runs…"));
    const runs = await this.page.allRuns();
    this.track = this.page.stage.track;
    this.lanes = await Promise.all(runs.map((run, i) => this.lane(run, TONES[i % TONES.length])));
    this.number = make("input", { type: "number", id: "compare-track", min: 0, max: 2147483647, value: this.track, onchange: () => this.begin(Math.max(0, Math.floor(+this.number.value || 0))) });
    this.speeds = SPEEDS.map((speed) => make("button", { "aria-pressed": speed === 1, onclick: () => this.setSpeed(speed) }, `${speed} ×`));
    this.chartHost = make("div", {});
    this.chart = new Reverie.Chart(this.chartHost, {
      label: "Return of each run over the seconds of this track", across: "seconds", up: "return",
      lines: Object.fromEntries(this.lanes.map(({ run, tone }) => [run.name, { name: run.name, tone }])),
    });
    this.host.textContent = "";
    this.host.append(
      make("div", { class: "transport", role: "toolbar", "aria-label": "Compare" },
        make("label", { for: "compare-track", class: "check" }, "Track", this.number),
        make("button", { onclick: () => this.begin(this.track + 1) }, "Next track"),
        make("button", { onclick: () => this.begin(this.track) }, "Again"), ...this.speeds),
      make("div", { class: "comparing" },
        make("div", { class: "lanes" }, ...this.lanes.map((lane) => lane.figure)),
        make("section", { class: "panel" },
          make("h2", {}, "This track"), this.chartHost,
          make("h2", { class: "gap" }, "All tracks so far"),
          (this.table = make("p", { class: "hint", role: "status" }, "None is done yet.")))));
    this.begin(this.track);
  }

  async lane(run, tone) {
    const { make } = Reverie, drive = new Reverie.Drive(run, await Reverie.Road.create(this.page.roadWasm));
    const canvas = make("canvas", { width: 384, height: 384, role: "img", "aria-label": `${run.name} on the road` }), number = make("b", {}, "0");
    const veil = make("p", { class: "veil", hidden: true });
    const figure = make("figure", { class: "world leads", style: `--tone:var(--${tone})` },
      make("figcaption", {}, make("span", { class: "dot" }), run.name, make("span", { class: "figure" }, number)),
      make("div", { class: "screen" }, canvas, veil));
    return { run, tone, drive, canvas, number, veil, figure };
  }

  begin(track) {
    this.track = track;
    this.number.value = track;
    for (const lane of this.lanes) {
      lane.drive.begin(track);
      Object.assign(lane, { points: [[0, 0]], frame: 0, left: 0, told: false, painted: -1 });
      lane.veil.hidden = true;
    }
    this.rested = 0;
    this.say(`Track ${track}.`);
  }

  setSpeed(speed) {
    this.speed = speed;
    this.speeds.forEach((button, i) => button.setAttribute("aria-pressed", SPEEDS[i] === speed));
  }

  frame(seconds) {
    if (!this.number) return;
    for (const lane of this.lanes) this.advance(lane, Math.min(seconds, 0.1) * this.speed);
    if (this.lanes.every((lane) => lane.told) && (this.rested += seconds) > 2) this.begin(this.track + 1);
    const now = performance.now();
    if (now - (this.drawn ?? 0) < 200) return;
    this.drawn = now;
    const all = this.lanes.flatMap((lane) => lane.points), { world } = this.lanes[0].run;
    const said = Object.fromEntries(this.lanes.map((lane) => [lane.run.name, lane.drive.return.toFixed(0)]));
    this.chart.draw(Object.fromEntries(this.lanes.map((lane) => [lane.run.name, lane.points])), [0, Math.max(...all.map(([x]) => x), world.maxFrames / world.fps / 2)], [Math.min(0, ...all.map(([, y]) => y)), Math.max(500, ...all.map(([, y]) => y))], said);
  }

  advance(lane, seconds) {
    const { drive } = lane, { repeat, fps } = lane.run.world;
    for (lane.left += seconds; lane.left >= 1 / fps && !drive.over; lane.left -= 1 / fps) {
      if (lane.frame === 0) {
        if (drive.frames) drive.look();
        drive.decide(drive.act());
        lane.points.push([drive.frames / fps, drive.return]);
      }
      drive.advance();
      lane.frame = (lane.frame + 1) % repeat;
    }
    if (drive.frames !== lane.painted) {
      drive.road.largeView(lane.canvas);
      lane.number.textContent = drive.return.toFixed(0);
      lane.painted = drive.frames;
    }
    if (drive.over && !lane.told) this.end(lane);
  }

  end(lane) {
    lane.told = true;
    lane.veil.hidden = false;
    lane.veil.textContent = lane.drive.over;
    const returns = this.totals.get(lane.run.name) ?? [];
    returns.push(lane.drive.return);
    this.totals.set(lane.run.name, returns);
    this.table.textContent = [...this.totals].map(([name, each]) => `${name}: mean ${Reverie.meanOf(each).mean.toFixed(0)} of ${each.length} ${each.length === 1 ? "track" : "tracks"}`).join("; ");
  }
};
