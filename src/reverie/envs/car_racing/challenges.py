"""CarRacing shown in other ways than an agent has learned it, to see what its driving hangs on. Physics, tracks and
rewards stay.

`colour`, `colour3`, `bars`, `blob` and `noise` are those of Tang, Nguyen & Ha 2020, "Neuroevolution of
Self-Interpretable Agents" (arXiv:2003.08165), as its code has them (car_racing_variants in
google/brain-tokyo-workshop). There, the camera follows the car's velocity; in CarRacing-v3 it follows the hull, so the
blob stands still in the picture. `frames` is ours. What is random is drawn by the track's seed alone.

Shapes: n frames of (64, 64, 3) uint8, b rows.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reverie.challenge import Challenge
from reverie.envs.picture import SIZE
from reverie.envs.vector import Start, Transition, VectorEnv
from reverie.seeding import generator

_ROAD, _FIELD, _PATCH = np.array([[102.0, 102.0, 102.0], [102.0, 204.0, 102.0], [102.0, 230.0, 102.0]])
"""Gymnasium's colours, as levels of 255."""
_FAR = 0.2 * 255
"""Levels by which the colours of road and field are moved at most."""
_KEY = np.array([0.0, 255.0, 0.0])
"""A colour for the ground from which its share of a pixel can be read: in all that is drawn over it, road, kerbs and
car, green is as bright as blue."""
_LOST = 0.5
"""Share of the frames that do not arrive."""
_WINDOW = (1000.0, 700.0)
"""Pixels of Gymnasium's window that are kept: the panel is cut off."""
_ZOOM = 2.7 * 6.0
"""Window pixels a unit of the world, after the first second."""
_BAR = 3 / 40
"""Width of a bar, as a share of the picture's."""
_BLOB_RIGHT, _BLOB_AHEAD, _BLOB_SIDE = 21.0, 7.6, 8.0
"""Where the blob begins, from the car, and its side, in units of the world."""
_BLOB = np.array([204.0, 0.0, 0.0], np.float32)


class Cars(VectorEnv, Protocol):
    """A batch whose simulations can be looked into."""

    def simulation(self, row: int) -> Any:
        """Gymnasium's environment of a row."""
        ...


class ChallengedCars:
    """VectorEnv: another one, whose frames are shown as a challenge wants it."""

    def __init__(self, cars: Cars, challenge: Challenge) -> None:
        self.num_envs, self.spec = cars.num_envs, cars.spec
        self._cars, self._challenge = cars, challenge
        self._paint, self._show = _PAINT.get(challenge), _SHOW.get(challenge)
        self._chance = [generator(0, "challenge", challenge)] * self.num_envs
        self._arrived = np.zeros((self.num_envs, SIZE, SIZE, 3), np.uint8)

    def reset(self, rows: ArrayLike, seeds: ArrayLike, starts: Sequence[Start] | None = None) -> NDArray[np.uint8]:
        """As `VectorEnv` does."""
        rows, seeds = np.atleast_1d(rows), np.atleast_1d(seeds)
        for row, seed in zip(rows.tolist(), seeds.tolist(), strict=True):
            self._chance[row] = generator(seed, "challenge", self._challenge)
            if self._paint:
                car = self._cars.simulation(row)
                car.road_color, car.bg_color, car.grass_color = self._paint(self._chance[row])
        obs = self._cars.reset(rows, seeds, starts)
        if self._challenge == "frames":
            self._arrived[rows] = obs
        return self._shown(rows, obs)

    def simulation(self, row: int) -> Any:
        """Gymnasium's environment of a row."""
        return self._cars.simulation(row)

    def step(self, rows: ArrayLike, act: NDArray[np.float32]) -> Transition:
        """As `VectorEnv` does."""
        rows = np.atleast_1d(rows)
        step = self._cars.step(rows, act)
        if self._challenge != "frames":
            return step._replace(obs=self._shown(rows, step.obs))
        arrives = np.array([self._chance[row].random() >= _LOST for row in rows.tolist()])
        self._arrived[rows[arrives]] = step.obs[arrives]
        return step._replace(obs=self._arrived[rows])

    def close(self) -> None:
        """Closes the batch."""
        self._cars.close()

    def _shown(self, rows: NDArray[np.int64], obs: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if not self._show:
            return obs
        times = np.array([self._cars.simulation(row).t for row in rows.tolist()])
        return self._show(obs, times, [self._chance[row] for row in rows.tolist()])


Colours = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""Of road, field and patches of grass."""


def _other_brightness(chance: np.random.Generator) -> Colours:
    road, field = chance.uniform(-_FAR, _FAR, 2)
    return _ROAD + road, _FIELD + field, _PATCH


def _other_colours(chance: np.random.Generator) -> Colours:
    road, field = chance.uniform(-_FAR, _FAR, (2, 3))
    return _ROAD + road, _FIELD + field, _PATCH


def _key(_: np.random.Generator) -> Colours:
    return _ROAD.copy(), _KEY, _KEY


def _with_bars(frames: NDArray[np.uint8], _times: NDArray[np.float64], _: object) -> NDArray[np.uint8]:
    """Black to the left and to the right."""
    low, high = np.array([0.0, SIZE * (1 - _BAR)]), np.array([SIZE * _BAR, SIZE])
    return _mixed(frames, _overlap(low, high).sum(0)[:, None], np.zeros(3, np.float32))


def _with_blob(frames: NDArray[np.uint8], times: NDArray[np.float64], _: object) -> NDArray[np.uint8]:
    """A red square beside the car, which grows with the zoom of the first second (`camera.py`)."""
    zoom = 0.1 * 6.0 * np.maximum(1 - times, 0) + _ZOOM * np.minimum(times, 1)
    scale_x, scale_y = SIZE / _WINDOW[0], SIZE / _WINDOW[1]
    left, bottom = (500 + zoom * _BLOB_RIGHT) * scale_x, (600 - zoom * _BLOB_AHEAD) * scale_y
    across = _overlap(left, left + zoom * _BLOB_SIDE * scale_x)
    down = _overlap(bottom - zoom * _BLOB_SIDE * scale_y, bottom)
    return _mixed(frames, (down[:, :, None] * across[:, None, :])[..., None], _BLOB)


def _on_noise(
    frames: NDArray[np.uint8], _times: NDArray[np.float64], chances: Sequence[np.random.Generator]
) -> NDArray[np.uint8]:
    """The ground, painted in `_KEY`, as noise that is drawn anew for every frame."""
    b = len(frames)
    texels = np.stack([chance.integers(0, 256, (_DOWN.shape[1], _ACROSS.shape[1], 3), np.uint8) for chance in chances])
    rows = _DOWN @ texels.reshape(b, _DOWN.shape[1], -1).astype(np.float32)
    noise = _ACROSS @ rows.reshape(b, SIZE, _ACROSS.shape[1], 3)
    share = np.maximum(frames[..., 1:2].astype(np.float32) - frames[..., 2:3], 0) / 255
    return _levels(frames[..., [0, 2, 2]] + share * noise)


def _texture(units: float) -> NDArray[np.float32]:
    """(64, texels): how a line of pixels that is so many units long reads a texture of a texel a unit, by linear
    interpolation at its middle."""
    at = (np.arange(SIZE) + 0.5) / SIZE * units
    texels = np.arange(int(np.ceil(units)) + 1)
    return np.maximum(1 - np.abs(at[:, None] - texels), 0).astype(np.float32)


def _overlap(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float32]:
    """(b, 64): the share of each pixel of a line that lies between two places (b,) on it."""
    pixel = np.arange(SIZE)
    return np.clip(np.minimum(high[:, None], pixel + 1) - np.maximum(low[:, None], pixel), 0, 1).astype(np.float32)


def _mixed(frames: NDArray[np.uint8], share: NDArray[np.float32], colour: NDArray[np.float32]) -> NDArray[np.uint8]:
    return _levels(frames + share * (colour - frames))


def _levels(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


_DOWN, _ACROSS = _texture(_WINDOW[1] / _ZOOM), _texture(_WINDOW[0] / _ZOOM)
_PAINT: dict[Challenge, Callable[[np.random.Generator], Colours]] = {
    "colour": _other_brightness,
    "colour3": _other_colours,
    "noise": _key,
}
"""What is painted in other colours, before an episode begins."""
_SHOW: dict[Challenge, Callable[..., NDArray[np.uint8]]] = {
    "bars": _with_bars,
    "blob": _with_blob,
    "noise": _on_noise,
}
"""What is drawn into frames: by the frames (b), the simulations' times (b,) and their generators."""
