"use strict";
// One dream, from the moment that it begins at: M as the world, paid and ended as the world would.
globalThis.Reverie ??= {};

Reverie.Dream = class {
  // `run` as Reverie.openRun gives it; `seed` names all the chance there is.
  constructor(run, seed) {
    this.run = run;
    this.seed = seed;
    this.number = 0;
    this.begin();
  }

  // Another dream, at a moment of the driving that M learned from.
  begin() {
    this.chance = new Reverie.Random(this.seed + 7919 * this.number++);
    this.take(this.run.engine.moment(this.chance.word() % this.run.engine.numMoments));
  }

  // Goes on from a moment {z, state, earned, frames}, real or of the bank.
  take(moment) {
    this.z = moment.z.slice();
    this.before = this.z;
    this.state = this.run.engine.copyState(moment.state);
    this.earned = moment.earned;
    this.frames = moment.frames;
    this.return = 0;
    this.decisions = 0;
    this.action = this.run.rest();
    this.reward = 0;
    this.doubt = null;
    this.excess = 0;
    this.over = "";
  }

  // What C does here.
  act() {
    return this.run.engine.act(this.state, this.z);
  }

  // One decision. `edit(z)`, where given, changes the latent that was dreamt.
  decide(action, temperature, edit) {
    if (this.over) return;
    const { engine, world } = this.run;
    const next = engine.dream(this.state, this.z, action, temperature, this.chance);
    const paid = engine.settle(this.earned, this.frames, next.reward ?? 0);
    this.action = action;
    this.before = this.z;
    this.z = next.z;
    edit?.(this.z);
    this.reward = next.reward ?? 0;
    this.doubt = next.doubt;
    this.excess = paid.excess;
    this.earned += paid.reward;
    this.return += paid.reward;
    this.frames += world.repeat;
    this.decisions++;
    if (next.end) this.over = "M says that the drive ends here";
    else if (paid.end) this.over = "all that a track can pay is earned";
    else if (paid.truncated) this.over = "the time of a drive is up";
  }

  // The picture `share` of the way from the last latent to this one; a view that the next picture paints over.
  picture(share) {
    const z = Float32Array.from(this.z, (now, i) => this.before[i] + (now - this.before[i]) * share);
    return this.run.engine.decode(z);
  }
};
