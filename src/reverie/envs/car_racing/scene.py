"""What the rasteriser needs to know of a CarRacing simulation, as plain arrays.

Shapes: e = environments in the batch, T = MAX_TILES, S = STATE_SIZE. Lengths in world units unless said otherwise.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reverie.envs.car_racing.track import Track, make_edges

MAX_TILES = 1536
"""More than any track of Gymnasium's generator: it stops after 2500 steps, of which a lap is a part."""

# Layout of one state vector (float64).
HULL = 0  # x, y, angle (rad)
TIME = 3  # seconds since reset
WHEELS = 4  # four times x, y, angle, phase (rad)
SPEED = 20  # of the hull
OMEGA = 21  # four wheel speeds, rad/s
STEER = 25  # front left joint angle, rad
GYRO = 26  # hull's angular velocity, rad/s
STATE_SIZE = 27


@dataclass(frozen=True)
class Scenes:
    """The scenes of a batch; every array is written in place."""

    edges: NDArray[np.float64]
    """(e, T, 4) left x, left y, right x, right y of the road at each track point; tile i lies between i and i - 1."""
    colors: NDArray[np.float64]
    """(e, T, 3) each tile's colour; Gymnasium's tiles hold views of it, so that contacts change it."""
    kerbs: NDArray[np.int8]
    """(e, T) side of the tile's kerb: -1 left, 1 right, 0 none."""
    num_tiles: NDArray[np.int64]
    """(e,)"""
    palette: NDArray[np.float64]
    """(e, 2, 3) colours of the field and of its grass patches."""
    states: NDArray[np.float64]
    """(e, S) camera, car and indicators, as laid out above."""

    @classmethod
    def empty(cls, num: int) -> "Scenes":
        """Room for `num` environments."""
        return cls(
            edges=np.zeros((num, MAX_TILES, 4)),
            colors=np.zeros((num, MAX_TILES, 3)),
            kerbs=np.zeros((num, MAX_TILES), np.int8),
            num_tiles=np.zeros(num, np.int64),
            palette=np.zeros((num, 2, 3)),
            states=np.zeros((num, STATE_SIZE)),
        )

    def load_track(self, row: int, track: Track, env: Any) -> None:
        """Take over a track, in the colours of `env` before any tile is visited."""
        n = len(track.points)
        assert n <= MAX_TILES, f"a track of {n} tiles does not fit {MAX_TILES}"
        self.num_tiles[row] = n
        make_edges(track.points, track.kerb, self.edges[row], self.kerbs[row])
        self.colors[row, :n] = env.road_color + 0.01 * (np.arange(n) % 3)[:, None] * 255
        self.palette[row, 0] = env.bg_color
        self.palette[row, 1] = env.grass_color

    def load_state(self, row: int, env: Any) -> None:
        """Read camera, car and indicators of `env` as they are now."""
        car = env.car
        hull, (w0, w1, w2, w3) = car.hull, car.wheels
        x, y = hull.position
        x0, y0 = w0.position
        x1, y1 = w1.position
        x2, y2 = w2.position
        x3, y3 = w3.position
        vx, vy = hull.linearVelocity
        # fmt: off
        self.states[row] = (
            x, y, hull.angle, env.t,
            x0, y0, w0.angle, w0.phase, x1, y1, w1.angle, w1.phase,
            x2, y2, w2.angle, w2.phase, x3, y3, w3.angle, w3.phase,
            (vx * vx + vy * vy) ** 0.5,
            w0.omega, w1.omega, w2.omega, w3.omega,
            w0.joint.angle, hull.angularVelocity,
        )
        # fmt: on

    def row(self, row: int) -> tuple[NDArray, ...]:
        """The scene of one environment, in the order that the rasteriser takes it."""
        n = self.num_tiles[row]
        return (
            self.edges[row, :n],
            self.colors[row, :n],
            self.kerbs[row, :n],
            self.palette[row],
            self.states[row],
        )
