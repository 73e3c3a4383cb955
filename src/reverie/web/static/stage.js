"use strict";
// Two worlds and one wheel. Whoever drives looks at one of them, which leads; the other goes on by C, or, after a
// fork, under the very same actions.
globalThis.Reverie ??= {};

Reverie.Stage = class {
  // `road` may be null: then the dream is alone. `said(words)` is told what happens.
  constructor(run, road, wheel, { track, temperature, seed, said }) {
    Object.assign(this, { run, wheel, track, temperature, seed, said });
    this.dream = new Reverie.Dream(run, seed);
    this.drive = road && new Reverie.Drive(run, road);
    this.drive?.begin(track);
    this.lead = this.drive ? "road" : "dream";
    this.driver = "C";
    this.paused = false;
    this.linked = null;
    this.wantsFork = false;
    this.edit = null;
    this.frame = 0; // of the decision in progress
    this.left = 0; // seconds that are not yet driven
  }

  get leader() {
    return this.lead === "dream" ? this.dream : this.drive;
  }

  // Seconds of the world that a decision takes.
  get seconds() {
    return this.run.world.repeat / this.run.world.fps;
  }

  take() {
    if (this.driver === "you") return;
    this.driver = "you";
    this.said(`You drive ${this.lead === "dream" ? "the dream" : "on the road"}. C gives the wheel back.`);
  }

  autopilot(on = this.driver !== "C") {
    this.driver = on ? "C" : "you";
    this.said(on ? "C drives." : "You drive.");
  }

  look(world) {
    if (!this.drive || world === this.lead) return;
    this.lead = world;
    this.said(`${this.driver === "C" ? "C drives" : "You drive"} by what is seen ${world === "dream" ? "in the dream" : "on the road"}.`);
  }

  // Dreams on from this real moment, at its next decision.
  fork() {
    if (!this.drive) return;
    if (this.drive.over) return this.said("The drive is over: begin another one, then fork.");
    this.wantsFork = true;
    if (this.paused) this.step();
    return undefined;
  }

  release() {
    if (!this.linked) return;
    this.linked = null;
    this.said("The dream goes its own way.");
  }

  // Another dream, or the track from its start.
  restart(world = this.lead) {
    this.linked = null;
    if (world === "dream") this.dream.begin();
    else this.drive.begin(this.track);
    this.frame = 0;
    this.said(world === "dream" ? "Another dream begins." : `Track ${this.track}, from its start.`);
  }

  chooseTrack(track) {
    this.track = track;
    if (this.drive) this.restart("road");
  }

  // Goes on for so many seconds of wall clock; what was missed while the page slept is not made up for.
  advance(seconds) {
    if (this.paused) return;
    this.left = Math.min(this.left + seconds, 0.2);
    const tick = 1 / this.run.world.fps;
    for (; this.left >= tick; this.left -= tick) this.tick();
  }

  // One decision, whole: what is left of the one in progress and no more.
  step() {
    do this.tick();
    while (this.frame);
  }

  // One frame of the world.
  tick() {
    if (this.frame === 0) this.decide();
    this.drive?.advance();
    this.frame = (this.frame + 1) % this.run.world.repeat;
  }

  decide() {
    const { dream, drive } = this;
    if (drive && drive.frames && !drive.over) drive.look();
    if (this.wantsFork) this.begin();
    if (this.linked) this.compare();
    const led = this.driver === "you" ? this.wheel.turn(this.leader.action, this.seconds) : this.leader.act();
    const other = this.lead === "dream" ? drive : dream;
    const followed = this.linked || !other ? led : other.act();
    dream.decide(this.lead === "dream" ? led : followed, this.temperature, this.edit);
    drive?.decide(this.lead === "road" ? led : followed);
    if (this.linked && (dream.over || drive.over)) this.linked.over = true;
  }

  begin() {
    this.wantsFork = false;
    this.dream.take(this.drive.moment());
    this.linked = { from: Reverie.opaque(this.drive.frame), points: [], over: false };
    this.said("Forked: the dream goes on from this real moment, under the same actions.");
  }

  // How far the dream is from the road, beside what V alone loses and a picture that stood still.
  compare() {
    const { linked, dream, drive } = this;
    if (linked.over) return;
    const seen = Reverie.opaque(drive.frame);
    linked.points.push({
      seconds: linked.points.length * this.seconds,
      dream: Reverie.apart(this.run.engine.decode(dream.z), seen),
      vision: Reverie.apart(this.run.engine.decode(drive.z), seen),
      still: Reverie.apart(linked.from, seen),
    });
  }

  // Where between its last two decisions the dream is shown, from 0 to 1.
  get share() {
    const { repeat, fps } = this.run.world;
    return Math.min(1, ((this.frame || repeat) - 1 + this.left * fps) / repeat);
  }
};
