"use strict";
// One real drive: the road, with V and M looking on, so that a dream can go on from any moment of it.
globalThis.Reverie ??= {};

Reverie.Drive = class {
  // `run` as Reverie.openRun gives it; `road` as Reverie.Road.create does.
  constructor(run, road) {
    this.run = run;
    this.road = road;
  }

  // Begins at the start of a track: Gymnasium's reset(seed=track).
  begin(track) {
    this.road.reset(track);
    this.track = track;
    this.state = this.run.engine.newState();
    this.return = 0;
    this.reward = 0;
    this.frames = 0;
    this.decisions = 0;
    this.action = this.run.rest();
    this.surprise = null;
    this.expected = null;
    this.over = "";
    this.paid = 0; // by the decision in progress
    this.look();
  }

  // What a dream needs to go on from here.
  moment() {
    return { z: this.z, state: this.state, earned: this.return, frames: this.frames };
  }

  // V's frame of the road as it is now, and the latent of it.
  look() {
    const { width, rows } = this.run.world;
    this.frame = Reverie.toFrame(this.road.pixels(), width, rows);
    this.z = this.run.engine.encode(this.frame).mu;
    this.state.reward = this.paid;
    this.surprise = this.expected && Reverie.distance(this.expected, this.z);
  }

  // What C does here.
  act() {
    return this.run.engine.act(this.state, this.z);
  }

  // Begins a decision: M looks on, and expects something; the frames follow.
  decide(action) {
    if (this.over) return;
    const { engine } = this.run;
    engine.step(this.state, this.z, action);
    this.expected = engine.predict(this.state, this.z, null, 0).z;
    this.action = action;
    this.decisions++;
    this.reward = this.paid; // of the decision before
    this.paid = 0;
  }

  // One frame of the simulator, under the action of the decision.
  advance() {
    if (this.over) return;
    const step = this.road.step(this.action);
    this.return += step.reward;
    this.paid += step.reward;
    this.frames++;
    if (step.terminated) this.over = step.reward < -50 ? "it left the field" : "the track is done";
    else if (step.truncated || this.frames >= this.run.world.maxFrames) this.over = "the time of a drive is up";
  }
};
