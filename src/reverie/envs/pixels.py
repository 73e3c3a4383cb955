"""Any Gymnasium pixel environment as a batch of (64, 64, 3) uint8 frames."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reverie.envs.config import EnvConfig
from reverie.envs.vector import Start, Transition
from reverie.errors import UserError

SIZE = 64
_CAR_RACING_SHAPE = (96, 96, 3)
_CAR_RACING_ROWS = 84  # the rows below hold the indicator panel


def to_64(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, w, 3) -> (64, 64, 3) by area average. A 96x96 frame (CarRacing) is first cropped to its top 84 rows."""
    assert frame.dtype == np.uint8, frame.dtype
    assert frame.shape[2:] == (3,), frame.shape
    if frame.shape == _CAR_RACING_SHAPE:
        frame = frame[:_CAR_RACING_ROWS]
    if frame.shape[:2] == (SIZE, SIZE):
        return np.array(frame)
    rows, columns = _area_weights(frame.shape[0]), _area_weights(frame.shape[1])
    small = np.einsum("yh,hwc,xw->yxc", rows, frame.astype(np.float64), columns, optimize=_PATH)
    return np.rint(small).astype(np.uint8)


_PATH = ["einsum_path", (0, 1), (0, 1)]


@cache
def _area_weights(size: int) -> NDArray[np.float64]:
    """(64, size) share of each of `size` pixels in each of 64 equal parts."""
    step = size / SIZE
    start = np.arange(SIZE)[:, None] * step
    pixel = np.arange(size)[None]
    return np.clip(np.minimum(start + step, pixel + 1) - np.maximum(start, pixel), 0.0, None) / step


class GymnasiumBatch:
    """VectorEnv over `gymnasium.make(config.id)`: its own physics and its own pictures, one process."""

    def __init__(self, config: EnvConfig, num_envs: int, **kwargs: Any) -> None:
        """`kwargs` go to `gymnasium.make` (render_mode, ...)."""
        import gymnasium

        self.num_envs = num_envs
        self._repeat = config.action_repeat
        options: Any = {"max_episode_steps": config.max_frames, "disable_env_checker": True, **kwargs}
        self._envs = [gymnasium.make(config.id, **options) for _ in range(num_envs)]
        self._live = np.zeros(num_envs, dtype=bool)
        observation, action = self._envs[0].observation_space, self._envs[0].action_space
        if observation.shape is None or len(observation.shape) != 3 or observation.shape[2] != 3:
            raise UserError(
                f"env.id {config.id!r} does not give (height, width, 3) pictures: choose a pixel environment"
            )
        if action.shape is None or len(action.shape) != 1:
            raise UserError(f"env.id {config.id!r} has no continuous action vector: choose a Box of one axis")
        self.action_size = int(action.shape[0])

    def reset(self, rows: ArrayLike, seeds: ArrayLike, starts: Sequence[Start] | None = None) -> NDArray[np.uint8]:
        """Start an episode in each of `rows`; returns obs (n, 64, 64, 3)."""
        if starts:
            raise UserError("only CarRacing-v3 with env.renderer = 'fast' can start elsewhere than on the line")
        rows, seeds = np.atleast_1d(rows), np.atleast_1d(seeds)
        assert rows.shape == seeds.shape == (len(rows),), (rows.shape, seeds.shape)
        obs = np.empty((len(rows), SIZE, SIZE, 3), np.uint8)
        for k, (row, seed) in enumerate(zip(rows, seeds, strict=True)):
            obs[k] = to_64(self._envs[row].reset(seed=int(seed))[0])
            self._live[row] = True
        return obs

    def step(self, rows: ArrayLike, act: NDArray[np.float32]) -> Transition:
        """One decision in each of `rows` with `act` (n, action_size)."""
        rows = np.atleast_1d(rows)
        n = len(rows)
        assert act.shape == (n, self.action_size), (act.shape, n, self.action_size)
        out = Transition(
            obs=np.empty((n, SIZE, SIZE, 3), np.uint8),
            rew=np.zeros(n),
            end=np.zeros(n, bool),
            trunc=np.zeros(n, bool),
            frames=np.zeros(n, np.int64),
        )
        act = np.asarray(act, np.float32)
        for k, row in enumerate(rows):
            if not self._live[row]:
                raise RuntimeError(f"row {row} has ended or was never started: reset it before stepping")
            frame: Any = None
            for _ in range(self._repeat):
                frame, rew, end, trunc, _ = self._envs[row].step(act[k])
                out.rew[k] += float(rew)
                out.frames[k] += 1
                out.end[k], out.trunc[k] = end, trunc
                if end or trunc:
                    self._live[row] = False
                    break
            out.obs[k] = to_64(frame)
        return out

    def render(self, row: int = 0) -> NDArray[np.uint8] | None:
        """What Gymnasium shows of a row now, (h, w, 3); None where it shows it itself, or is not to show it."""
        env: Any = self._envs[row]
        return env.render() if env.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Close every environment."""
        for env in self._envs:
            env.close()
