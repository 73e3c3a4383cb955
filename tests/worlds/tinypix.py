"""A package of pixel environments as a user might write it: importing it registers them."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

WIDTH = 30
PICTURE = spaces.Box(0, 255, (40, WIDTH), np.uint8)
RGB = spaces.Box(0, 255, (48, WIDTH, 3), np.uint8)
BOX = spaces.Box(np.array([-2.0, 0.0], np.float32), np.array([2.0, 10.0], np.float32))

UNFIT: dict[str, tuple[spaces.Space, spaces.Space]] = {
    "no pixels": (spaces.Box(-1, 1, (4,), np.float32), BOX),
    "four channels": (spaces.Box(0, 255, (8, 8, 4), np.uint8), BOX),
    "floats": (spaces.Box(0, 1, (8, 8, 3), np.float32), BOX),
    "a number": (spaces.Discrete(7), BOX),
    "no picture in it": (spaces.Dict({"speed": spaces.Box(0, 1, (1,)), "gear": spaces.Discrete(3)}), BOX),
    "two pictures": (spaces.Dict({"left": RGB, "right": RGB}), BOX),
    "no bounds": (RGB, spaces.Box(-np.inf, np.inf, (2,), np.float32)),
    "whole numbers": (RGB, spaces.Box(0, 9, (2,), np.int64)),
    "words": (RGB, spaces.Text(3)),
    "two spaces": (RGB, spaces.Tuple([spaces.Discrete(2), BOX])),
}


class _Dot(gymnasium.Env):
    """A dot that moves along a line: a reward for each pixel to the right, and an end at the border."""

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[Any, dict]:
        super().reset(seed=seed, options=options)
        self._x = 2.0 + float(self.np_random.integers(5))
        return self._observe(), {}

    def _move(self, by: float) -> tuple[Any, float, bool, bool, dict]:
        before, self._x = self._x, float(np.clip(self._x + by, 0, WIDTH - 1))
        return self._observe(), 1e-5 * (self._x - before), self._x >= WIDTH - 1, False, {}

    def _picture(self) -> np.ndarray:
        picture = np.full(PICTURE.shape, 40, np.uint8)
        picture[10:30, max(0, int(self._x) - 2) : int(self._x) + 2] = 220
        return picture

    def _observe(self) -> Any:
        raise NotImplementedError


class TinyPix(_Dot):
    """RGB pictures; a push to either side, and how much of it counts."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 25}  # noqa: RUF012
    observation_space, action_space = RGB, BOX

    def __init__(self, render_mode: str | None = None, speed: float = 0.1) -> None:
        self.render_mode, self.speed = render_mode, speed

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict]:
        assert self.action_space.contains(action), action
        return self._move(self.speed * float(action[0] * action[1]))

    def _observe(self) -> np.ndarray:
        return np.pad(self._picture(), ((4, 4), (0, 0)))[..., None].repeat(3, -1)

    def render(self) -> np.ndarray:
        return self._observe()


class TinyChoice(_Dot):
    """Grey pictures under a key; left, stay, right. It has no pictures of its own for people."""

    observation_space = spaces.Dict({"camera": PICTURE, "speed": spaces.Box(0, 1, (1,), np.float32)})
    action_space = spaces.Discrete(3)

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict]:
        assert self.action_space.contains(action), action
        return self._move(float(action) - 1)

    def _observe(self) -> dict[str, np.ndarray]:
        return {"camera": self._picture(), "speed": np.zeros(1, np.float32)}


class Unfit(gymnasium.Env):
    """Spaces that no agent of ours can see or act in; `why` says which."""

    def __init__(self, why: str) -> None:
        self.observation_space, self.action_space = UNFIT[why]


for name in ("TinyPix", "TinyChoice", "Unfit"):
    gymnasium.register(id=f"{name}-v0", entry_point=f"tinypix:{name}")
