"""CarRacing in lockstep: Gymnasium's physics in each row, one call of the rasteriser for all of them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reverie.envs.car_racing.env import FastCarRacing
from reverie.envs.car_racing.labels import read_labels
from reverie.envs.car_racing.raster import render_64
from reverie.envs.car_racing.scene import Scenes
from reverie.envs.closing import closes
from reverie.envs.config import EnvConfig
from reverie.envs.spec import EnvSpec
from reverie.envs.truth import Labels
from reverie.envs.vector import Start, Transition


class CarRacingBatch:
    """VectorEnv of CarRacing-v3 that draws only the last frame of each decision, straight to 64x64."""

    def __init__(self, config: EnvConfig, num_envs: int, spec: EnvSpec) -> None:
        self.num_envs, self.spec = num_envs, spec
        self._repeat, self._max_frames = config.action_repeat, config.max_frames
        self._scenes = Scenes.empty(num_envs)
        self._envs = [FastCarRacing(**config.kwargs, scenes=self._scenes, row=row) for row in range(num_envs)]
        self._closing = closes(self, self._envs)
        self._frames = [0] * num_envs
        self._live = [False] * num_envs

    def reset(self, rows: ArrayLike, seeds: ArrayLike, starts: Sequence[Start] | None = None) -> NDArray[np.uint8]:
        """Start an episode in each of `rows`, at `starts` (n) if given; returns obs (n, 64, 64, 3)."""
        rows, seeds = np.atleast_1d(rows), np.atleast_1d(seeds)
        assert rows.shape == seeds.shape == (len(rows),), (rows.shape, seeds.shape)
        places = starts or [None] * len(rows)
        for row, seed, start in zip(rows.tolist(), seeds.tolist(), places, strict=True):
            self._envs[row].reset_undrawn(seed, start)
            self._frames[row], self._live[row] = 0, True
        return self._draw(rows)

    def step(self, rows: ArrayLike, act: NDArray[np.float32]) -> Transition:
        """One decision in each of `rows` with `act` (n, a)."""
        rows = np.atleast_1d(rows)
        n = len(rows)
        assert act.shape == (n, self.spec.actions.size), (act.shape, n)
        actions = np.asarray(self.spec.actions.to_env(act)).tolist()  # float32 numbers, exactly, as Python's floats
        rew, end, frames = [0.0] * n, [False] * n, [0] * n
        for k, row in enumerate(rows.tolist()):
            if not self._live[row]:
                raise RuntimeError(f"row {row} has ended or was never started: reset it before stepping")
            env, most = self._envs[row], min(self._repeat, self._max_frames - self._frames[row])
            rew[k], end[k], frames[k] = env.advance(actions[k], most)
            self._frames[row] += frames[k]
            self._live[row] = not end[k] and self._frames[row] < self._max_frames
            env.read_scene()
        trunc = [self._frames[row] >= self._max_frames for row in rows.tolist()]
        return Transition(
            obs=self._draw(rows),
            rew=np.array(rew, np.float64),
            end=np.array(end, bool),
            trunc=np.array(trunc, bool),
            frames=np.array(frames, np.int64),
        )

    def simulation(self, row: int) -> FastCarRacing:
        """Gymnasium's environment of a row."""
        return self._envs[row]

    def labels(self, rows: ArrayLike) -> Labels:
        """What is true of `rows` now: (n,) arrays."""
        return read_labels([self._envs[row] for row in np.atleast_1d(rows).tolist()])

    def close(self) -> None:
        """Close every environment."""
        self._closing()

    def _draw(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        out = np.empty((len(rows), 64, 64, 3), np.uint8)
        s = self._scenes
        render_64(rows.astype(np.int64), s.edges, s.colors, s.kerbs, s.num_tiles, s.palette, s.states, out)
        return out
