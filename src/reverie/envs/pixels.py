"""Any Gymnasium pixel environment as a batch of (64, 64, 3) uint8 frames."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reverie.envs.closing import closes
from reverie.envs.config import EnvConfig
from reverie.envs.picture import SIZE
from reverie.envs.registry import draw_on_demand, make_env
from reverie.envs.spec import EnvSpec
from reverie.envs.vector import Start, Transition
from reverie.errors import UserError


class GymnasiumBatch:
    """VectorEnv over `gymnasium.make(config.id)`: its own physics and its own pictures, one process."""

    def __init__(self, config: EnvConfig, num_envs: int, spec: EnvSpec, **kwargs: Any) -> None:
        """`kwargs` go to `gymnasium.make` (render_mode, ...)."""
        self.num_envs, self.spec = num_envs, spec
        self._id, self._repeat = config.id, config.action_repeat
        self._envs = [make_env(config, disable_env_checker=True, **kwargs) for _ in range(num_envs)]
        self._closing = closes(self, self._envs)
        self._draw = [draw_on_demand(config, env) for env in self._envs]
        self._live = np.zeros(num_envs, dtype=bool)

    def reset(self, rows: ArrayLike, seeds: ArrayLike, starts: Sequence[Start] | None = None) -> NDArray[np.uint8]:
        """Start an episode in each of `rows`; returns obs (n, 64, 64, 3)."""
        if starts:
            raise UserError(f"{self._id}, drawn by Gymnasium, cannot start elsewhere than it usually does")
        rows, seeds = np.atleast_1d(rows), np.atleast_1d(seeds)
        assert rows.shape == seeds.shape == (len(rows),), (rows.shape, seeds.shape)
        obs = np.empty((len(rows), SIZE, SIZE, 3), np.uint8)
        for k, (row, seed) in enumerate(zip(rows, seeds, strict=True)):
            obs[k] = self._picture(row, self._envs[row].reset(seed=int(seed))[0])
            self._live[row] = True
        return obs

    def step(self, rows: ArrayLike, act: NDArray[np.float32]) -> Transition:
        """One decision in each of `rows` with `act` (n, a)."""
        rows = np.atleast_1d(rows)
        n = len(rows)
        assert act.shape == (n, self.spec.actions.size), (act.shape, n, self.spec.actions.size)
        out = Transition(
            obs=np.empty((n, SIZE, SIZE, 3), np.uint8),
            rew=np.zeros(n),
            end=np.zeros(n, bool),
            trunc=np.zeros(n, bool),
            frames=np.zeros(n, np.int64),
        )
        given = self.spec.actions.to_env(act)
        for k, row in enumerate(rows):
            if not self._live[row]:
                raise RuntimeError(f"row {row} has ended or was never started: reset it before stepping")
            observation: Any = None
            for _ in range(self._repeat):
                observation, rew, end, trunc, _ = self._envs[row].step(given[k])
                if not math.isfinite(rew):
                    raise UserError(f"{self._id} gave a reward of {rew}: correct the environment")
                out.rew[k] += float(rew)
                out.frames[k] += 1
                out.end[k], out.trunc[k] = end, trunc
                if end or trunc:
                    self._live[row] = False
                    break
            out.obs[k] = self._picture(row, observation)
        return out

    def _picture(self, row: int, observation: Any) -> NDArray[np.uint8]:
        """(64, 64, 3), of the observation, or of one that is drawn now."""
        draw = self._draw[row]
        return self.spec.picture.to_64(draw() if draw else observation)

    def simulation(self, row: int) -> Any:
        """Gymnasium's environment of a row, without what is wrapped around it."""
        return self._envs[row].unwrapped

    def render(self, row: int = 0) -> NDArray[np.uint8] | None:
        """What Gymnasium shows of a row now, (h, w, 3); None where it shows it itself, or is not to show it."""
        env: Any = self._envs[row]
        return env.render() if env.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Close every environment."""
        self._closing()
