"""Drivers that visit what the pictures must get right: the road and its kerbs, whole laps, spins, and the grass.

Each is a function of Gymnasium's CarRacing (unwrapped) and the number of the frame -> action (3,) float32.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Scripted = Callable[[Any, int], np.ndarray]


def follow_road(env: Any, frame: int) -> np.ndarray:
    """Steer to the road ahead, with full tours of the kerbs."""
    side, speed = _road_ahead(env, 6)
    return np.array([np.clip(0.15 * side, -1, 1), 0.6 if speed < 45 else 0.0, 0.1 * (frame % 40 == 0)], np.float32)


def lap(env: Any, _frame: int) -> np.ndarray:
    """Finishes a lap within 1000 frames, for a return of about 915: steer to the road ahead, slow down for bends."""
    side, speed = _road_ahead(env, 8)
    steer = 0.1 * side + 0.2 * env.car.hull.angularVelocity
    wanted = max(85 - 5 * abs(side), 25)
    pedal = 0.05 * (wanted - speed) if speed < wanted else 0.03 * (wanted + 3 - speed)
    return np.array([np.clip(steer, -1, 1), np.clip(pedal, 0, 0.6), np.clip(-pedal, 0, 0.5)], np.float32)


def spin(_env: Any, frame: int) -> np.ndarray:
    """Full lock and gas, then brake: skids, spins and grass."""
    return np.array([1.0, 1.0, 0.0] if frame % 90 < 70 else [-1.0, 0.0, 1.0], np.float32)


def wander(_env: Any, frame: int) -> np.ndarray:
    """A new random action every 12 frames."""
    rng = np.random.default_rng(frame // 12)
    return rng.uniform([-1.0, 0.0, 0.0], [1.0, 1.0, 0.3]).astype(np.float32)


def leave(_env: Any, _frame: int) -> np.ndarray:
    """Straight on: over the grass and off the playfield."""
    return np.array([0.0, 0.2, 0.0], np.float32)


SCRIPTED: tuple[Scripted, ...] = (follow_road, lap, spin, wander, leave)


def _road_ahead(env: Any, tiles: int) -> tuple[float, float]:
    """How far to the right of the car's line the road is so many tiles on, and the car's speed."""
    x, y = env.car.hull.position
    nearest = min(range(len(env.track)), key=lambda k: (env.track[k][2] - x) ** 2 + (env.track[k][3] - y) ** 2)
    _, _, tx, ty = env.track[(nearest + tiles) % len(env.track)]
    angle = env.car.hull.angle
    return (tx - x) * math.cos(angle) + (ty - y) * math.sin(angle), math.hypot(*env.car.hull.linearVelocity)
