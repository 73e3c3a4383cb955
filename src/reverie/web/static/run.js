"use strict";
// A run as the page knows it: its header read once, and its engine.
globalThis.Reverie ??= {};

Reverie.openRun = async (name, bytes, wasm) => {
  const bundle = Reverie.openBundle(bytes), { header } = bundle, { world, config } = header;
  return {
    name,
    header,
    engine: await Reverie.Engine.create(wasm, bundle),
    size: config.z_size,
    world: {
      id: world.env_id,
      repeat: world.action_repeat,
      fps: world.frames_per_second,
      maxFrames: world.max_decisions * world.action_repeat,
      width: world.picture.shape[1],
      rows: world.picture.rows ?? world.picture.shape[0],
      bars: world.bars, // [name, whether it goes from -1 to 1] of each number of an action
      rewardScale: config.memory.reward.scale,
    },
    // An action that does nothing.
    rest: () => new Float32Array(config.action_size),
  };
};
