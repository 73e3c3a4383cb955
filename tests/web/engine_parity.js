"use strict";
// The engine in node, on a bundle and on inputs that torch was given: `node engine_parity.js ENGINE.wasm BUNDLE CASE SCRIPT...`.
// CASE is JSON; what comes of it goes to standard output as JSON, for tests/web/test_engine.py to judge.
const fs = require("node:fs");
const [wasm, bundleFile, caseFile, ...scripts] = process.argv.slice(2);
for (const script of scripts) require(script);

const list = (array) => Array.from(array);
const milliseconds = (n, work) => { // the least of n: what else runs here is not ours
  let least = Infinity;
  for (let i = 0; i < n; i++) {
    const begun = performance.now();
    work();
    least = Math.min(least, performance.now() - begun);
  }
  return least;
};

(async () => {
  const given = JSON.parse(fs.readFileSync(caseFile));
  const bundle = Reverie.openBundle(new Uint8Array(fs.readFileSync(bundleFile)));
  const engine = await Reverie.Engine.create(fs.readFileSync(wasm), bundle);
  const found = { encoded: [], pictures: [], decisions: [], settled: [] };

  for (const frame of given.frames) {
    const { mu, logvar } = engine.encode(Uint8Array.from(frame));
    found.encoded.push({ mu: list(mu), logvar: list(logvar) });
  }
  for (const z of given.latents) found.pictures.push(list(engine.decode(Float32Array.from(z))));

  // Teacher-forced: each decision is torch's, and so is the latent that it is taken at.
  const { z, state } = engine.moment(given.moment);
  found.moment = { z: list(z), members: state.members.map(({ h, c }) => ({ h: h.map(list), c: c.map(list) })) };
  const driven = given.fromNothing ? engine.newState() : state;
  for (const { z, action, reward, noise, member, temperature } of given.decisions) {
    driven.reward = reward;
    const at = Float32Array.from(z), chance = { uniform: noise.uniform, normal: noise.normal };
    const act = list(engine.act(driven, at)), { hidden } = engine.step(driven, at, Float32Array.from(action));
    const { logits, mu, logsigma } = engine.memory.expect(driven, at, member);
    const next = engine.predict(driven, at, chance, temperature, member), still = engine.predict(driven, at, null, 0, member);
    found.decisions.push({
      act, hidden: list(hidden), logits: list(logits), mu: list(mu), logsigma: list(logsigma),
      next: list(next.z), still: list(still.z), reward: next.reward, end: next.endProbability, doubt: next.doubt,
    });
  }
  for (const [earned, frames, reward] of given.accounts) found.settled.push(engine.settle(earned, frames, reward));

  if (given.draws) { // many dreams of one decision, from the same moment
    const random = new Reverie.Random(given.seed), { z, state } = engine.moment(given.moment);
    const action = engine.act(state, z), sum = new Float64Array(z.length), squares = new Float64Array(z.length);
    let ends = 0, reward;
    for (let i = 0; i < given.draws; i++) {
      const mine = engine.copyState(state), next = engine.dream(mine, z, action, given.temperature, random);
      next.z.forEach((x, d) => { sum[d] += x; squares[d] += x * x; });
      ends += next.end;
      reward = mine.reward;
    }
    const mean = list(sum).map((x) => x / given.draws);
    const variance = list(squares).map((x, d) => x / given.draws - mean[d] ** 2);
    found.draws = { mean, variance, ends: ends / given.draws, reward };
  }

  if (given.measure) {
    const frame = new Uint8Array(64 * 64 * 3).fill(100), { z, state } = engine.moment(0);
    const action = engine.act(state, z), random = new Reverie.Random(1);
    found.milliseconds = {
      encode: milliseconds(200, () => engine.encode(frame)),
      decode: milliseconds(200, () => engine.decode(z)),
      step: milliseconds(500, () => engine.step(state, z, action)),
      dream: milliseconds(500, () => engine.dream(state, z, action, 1, random)),
      act: milliseconds(500, () => engine.act(state, z)),
    };
  }
  process.stdout.write(JSON.stringify(found));
})();
