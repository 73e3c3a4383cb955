"use strict";
// The view `Drive`: what the stage shows, and what is pressed there.
globalThis.Reverie ??= {};

const REST = 2.5; // seconds that a drive that is over stays on the screen while C drives
const LARGE = 512; // pixels of the road's picture along a side
const POINTS_DRAWN = 10; // a second, of the fork's chart
const find = (id) => document.getElementById(id);
const whole = (x) => Math.round(x).toString().replace("-", "−");

Reverie.Driving = class {
  // `stage` and `wheel` are what is driven, and by what; `say(words)` tells people what happens.
  constructor(stage, wheel, say) {
    Object.assign(this, { stage, wheel, say });
    this.film = null;
    this.overSince = { dream: 0, road: 0 };
    this.asSeen = false;
    this.painted = {}; // of each world, what its picture shows
    document.body.classList.toggle("alone", !stage.drive);
    this.bars = this.makeBars();
    this.chart = new Reverie.Chart(find("fork-chart"), {
      label: "How far the dream is from the road since the fork",
      across: "seconds since the fork",
      up: "difference of the pictures, levels of 255",
      lines: {
        dream: { name: "the dream", tone: "dream" },
        vision: { name: "V alone, who looks", tone: "road" },
        still: { name: "a picture that stands still", tone: "dim" },
      },
    });
  }

  makeBars() {
    const rows = [["steer", "Steering", true], ["gas", "Gas"], ["brake", "Brake"], ["reward", "Reward", true]];
    if (this.stage.run.engine.config.members > 1) rows.push(["doubt", "Doubt"]); // one M has none to disagree with
    if (this.stage.drive) rows.push(["surprise", "Surprise"]);
    const list = find("bars"), found = {};
    list.textContent = "";
    for (const [key, name, both] of rows) {
      const row = document.createElement("div"), term = document.createElement("dt"), bar = document.createElement("dd");
      const number = document.createElement("dd"), level = document.createElement("i");
      term.textContent = name;
      bar.className = both ? "track both" : "track";
      number.className = "number";
      bar.append(level);
      row.append(term, bar, number);
      list.append(row);
      found[key] = { row, level, number, both };
    }
    found.reward.row.title = "what M expects of this decision in the dream; what was paid on the road";
    if (found.doubt) found.doubt.row.title = "how far the members of an ensemble disagree about what comes next";
    if (found.surprise) found.surprise.row.title = "how far what V saw lies from what M expected a decision before";
    return found;
  }

  // What a button or a key stands for.
  do(what) {
    const { stage } = this;
    if (what === "autopilot") stage.autopilot();
    else if (what === "pause") this.pause(!stage.paused);
    else if (what === "step") {
      this.pause(true);
      stage.step();
    } else if (what === "restart") stage.restart();
    else if (what === "fork") stage.fork();
    else if (what === "swap") stage.look(stage.lead === "dream" ? "road" : "dream");
    else if (what === "film") this.record();
    else if (what === "release") stage.release();
    else if (what === "next") stage.drive && stage.chooseTrack(stage.track + 1);
    else if (what === "warmer" || what === "cooler") this.heat(what === "warmer" ? 0.1 : -0.1);
    else if (what === "tell") this.say(this.words());
    this.show();
  }

  pause(on) {
    if (this.stage.paused === on) return;
    this.stage.paused = on;
    this.say(on ? "Paused." : "It goes on.");
  }

  heat(degrees) {
    this.stage.temperature = Math.max(0, Math.min(2, +(this.stage.temperature + degrees).toFixed(2)));
    this.say(`Temperature ${this.stage.temperature}.`);
  }

  async record() {
    const { stage } = this;
    if (this.film) {
      const film = this.film;
      this.film = null;
      const { type, size } = await film.end(`reverie-${stage.run.name}-track-${stage.track}`);
      this.filmed = { type, size };
      this.say(`The film is saved: ${type.split("/")[1].toUpperCase()}, ${(size / 1e6).toFixed(1)} MB.`);
      return;
    }
    const pictures = [{ canvas: find("dream"), name: "dream", tone: "#b79cff" }];
    if (stage.drive) pictures.push({ canvas: find("road"), name: `road, track ${stage.track}`, tone: "#76d39b" });
    this.film = Reverie.Film.begin(pictures, () => {
      const road = stage.drive ? `, on the road ${whole(stage.drive.return)}` : "";
      return `return in the dream ${whole(stage.dream.return)}${road}`;
    });
    this.say(this.film ? "Filming. Press Film again to save it." : "This browser cannot film.");
  }

  // How things stand, in words.
  words() {
    const { stage } = this, { dream, drive } = stage;
    const who = stage.driver === "C" ? "C drives" : "You drive";
    const parts = [`${who}${stage.drive ? `, by what is seen ${stage.lead === "dream" ? "in the dream" : "on the road"}` : ""}.`];
    parts.push(`Dream: return ${whole(dream.return)} after ${(dream.decisions * stage.seconds).toFixed(0)} s${dream.over ? ", over" : ""}.`);
    if (drive) parts.push(`Track ${stage.track}: return ${whole(drive.return)} after ${(drive.frames / stage.run.world.fps).toFixed(0)} s${drive.over ? ", over" : ""}.`);
    const last = stage.linked?.points.at(-1);
    if (last) parts.push(`${last.seconds.toFixed(1)} s after the fork the pictures differ by ${last.dream.toFixed(0)} levels of 255.`);
    return parts.join(" ");
  }

  // One picture: the stage goes on for so many seconds, and is shown.
  frame(seconds) {
    this.wheel.poll();
    this.stage.advance(seconds);
    this.goOn(seconds);
    this.paint();
    this.film?.draw();
  }

  // While C drives, what is over begins anew after a rest.
  goOn(seconds) {
    const { stage } = this;
    if (stage.driver !== "C" || stage.paused) return;
    for (const [world, drive] of [["dream", stage.dream], ["road", stage.drive]]) {
      if (!drive?.over) this.overSince[world] = 0;
      else if ((this.overSince[world] += seconds) > REST) {
        this.overSince[world] = 0;
        if (world === "road") stage.track++;
        stage.restart(world);
        this.changed?.();
      }
    }
  }

  // What is as it was painted last is left alone.
  paint() {
    const { dream, drive, share } = this.stage;
    if (this.isNew("dream", dream, dream.z, dream.before, share)) Reverie.show(find("dream"), dream.picture(share));
    if (!drive) return;
    const canvas = find("road");
    if (this.asSeen) {
      if (this.isNew("road", drive, drive.frame)) Reverie.show(canvas, Reverie.opaque(drive.frame));
    } else if (this.isNew("road", drive, drive.track, drive.frames)) {
      if (canvas.width !== LARGE) canvas.width = canvas.height = LARGE;
      drive.road.largeView(canvas);
    }
  }

  isNew(what, ...found) {
    const before = this.painted[what];
    this.painted[what] = found;
    return found.length !== before?.length || found.some((one, i) => one !== before[i]);
  }

  // Everything that is words and numbers; ten times a second is enough.
  show() {
    const { stage } = this, { dream, drive } = stage;
    for (const world of drive ? ["dream", "road"] : ["dream"]) {
      const one = world === "dream" ? dream : drive, leads = stage.lead === world;
      find(`world-${world}`).classList.toggle("leads", leads);
      document.querySelector(`[data-lead="${world}"]`).setAttribute("aria-pressed", leads);
      const you = leads && stage.driver === "you";
      find(`who-${world}`).classList.toggle("you", you);
      find(`who-${world}`).textContent = you ? "you drive" : stage.linked && !leads ? "the same actions" : "C drives";
      find(`return-${world}`).textContent = whole(one.return);
      const veil = find(`veil-${world}`);
      veil.hidden = !one.over;
      if (one.over && veil.dataset.over !== one.over + one.return) {
        veil.dataset.over = one.over + one.return;
        veil.innerHTML = `<b>${whole(one.return)}</b>${one.over}`;
        this.say(`${world === "dream" ? "Dream" : `Track ${stage.track}`}: return ${whole(one.return)}; ${one.over}.`);
      }
    }
    this.showBars();
    this.showFork();
    const exploit = find("exploit");
    exploit.hidden = !dream.excess;
    if (dream.excess) exploit.textContent = `Exploit: this dream promised ${whole(dream.excess)} more than a track can still pay. It is not believed.`;
    find("temperature").value = stage.temperature;
    find("temperature-value").textContent = stage.temperature.toFixed(2);
    find("temperature-words").textContent = stage.temperature === 0 ? "its likeliest guess, without chance" : Math.abs(stage.temperature - 1) < 0.03 ? "as M believes" : stage.temperature < 1 ? "calmer than M believes" : "wilder than M believes";
    if (document.activeElement !== find("track")) find("track").value = stage.track;
    for (const [what, on] of [["autopilot", stage.driver === "C"], ["pause", stage.paused], ["film", !!this.film]]) {
      document.querySelector(`[data-do="${what}"]`).setAttribute("aria-pressed", on);
    }
    const pause = document.querySelector('[data-do="pause"]');
    pause.querySelector("use").setAttribute("href", stage.paused ? "#i-play" : "#i-pause");
    pause.querySelector("span").textContent = stage.paused ? "Go on" : "Pause";
    document.querySelector('[data-do="autopilot"] span').textContent = stage.driver === "C" ? "C drives" : "You drive";
  }

  showBars() {
    const { stage, bars } = this, one = stage.leader;
    document.querySelector(".instruments").style.setProperty("--tone", `var(--${stage.lead})`);
    const put = (key, share, words) => {
      const { level, number, both } = bars[key];
      const part = Math.max(both ? -1 : 0, Math.min(1, share));
      level.style.left = both ? `${part < 0 ? 50 + 50 * part : 50}%` : "0";
      level.style.width = `${(both ? 50 : 100) * Math.abs(part)}%`;
      number.textContent = words;
    };
    put("steer", one.action[0], one.action[0].toFixed(2).replace("-", "−"));
    put("gas", one.action[1], one.action[1].toFixed(2));
    put("brake", one.action[2], one.action[2].toFixed(2));
    const scale = stage.run.world.rewardScale;
    put("reward", one.reward / (2 * scale), one.reward.toFixed(1).replace("-", "−"));
    const doubt = stage.dream.doubt ?? 0;
    if (bars.doubt) put("doubt", doubt, doubt.toFixed(2));
    if (bars.surprise) put("surprise", (stage.drive.surprise ?? 0) / 2, (stage.drive.surprise ?? 0).toFixed(2));
  }

  showFork() {
    const { linked } = this.stage, now = performance.now();
    if (linked) this.last = linked.points;
    find("release").hidden = !linked || linked.over;
    find("fork-hint").hidden = !!this.last?.length;
    find("fork-chart").hidden = !this.last?.length;
    if (!this.last?.length || now - (this.drawn ?? 0) < 1000 / POINTS_DRAWN) return;
    this.drawn = now;
    const points = this.last, end = points.at(-1);
    const top = Math.max(20, ...points.flatMap((p) => [p.dream, p.still]));
    const series = {}, said = {};
    for (const key of ["dream", "vision", "still"]) {
      series[key] = points.map((p) => [p.seconds, p[key]]);
      said[key] = end[key].toFixed(1);
    }
    this.chart.draw(series, [0, Math.max(4, end.seconds)], [0, top], said);
  }
};
