"""Where cars start when they shall see more of the world than the first bend: for training data only."""

import math

from reverie.envs.vector import Start
from reverie.seeding import generator

EDGE = 5.0
"""Largest offset from the middle of the road, whose half width is 6.67: all wheels still touch it."""
_BESIDE = (9.0, 14.0)
"""Offsets at which no wheel touches the road; its other half, or another stretch of it, may be near."""
_BEFORE = (0.02, 0.07)
"""Of the lap."""
_OFFSETS = (0.0, -EDGE, EDGE, -EDGE / 2, EDGE / 2)
_HEADINGS = (0.0, -0.6, 0.6, -0.3, 0.3, -1.2, 1.2)
_GOLDEN = (math.sqrt(5) - 1) / 2


def structured_start(index: int) -> Start:
    """The start of episode `index`: every 35 in a row combine 5 offsets with 7 headings, spread evenly over the lap."""
    # Multiples of the golden ratio: however many are taken, they lie about equally far apart.
    fraction = index * _GOLDEN % 1.0
    return Start(fraction, _OFFSETS[index % len(_OFFSETS)], _HEADINGS[index % len(_HEADINGS)])


def random_start(seed: int, index: int) -> Start:
    """The start of episode `index` of a run with this seed: anywhere on the road, headings about 0.4 rad wide."""
    rng = generator(seed, "starts", index)
    return Start(float(rng.random()), float(rng.uniform(-EDGE, EDGE)), float(0.4 * rng.standard_normal()))


def start_beside(seed: int, index: int) -> Start:
    """The start of episode `index`: on the grass on either side of the road, headings about 0.8 rad wide."""
    rng = generator(seed, "starts beside", index)
    side = 1 if rng.random() < 0.5 else -1
    return Start(float(rng.random()), side * float(rng.uniform(*_BESIDE)), float(0.8 * rng.standard_normal()))


def start_before(place: float, seed: int, index: int) -> Start:
    """The start of episode `index`: 6 to 20 of about 300 tiles before a `place` of the lap, far enough to have gathered
    speed there from rest. A car's own state at that place is lost: its speed, its heading, which tiles it had."""
    rng = generator(seed, "starts before", index)
    fraction = (place - float(rng.uniform(*_BEFORE))) % 1.0
    return Start(fraction, float(rng.uniform(-EDGE / 2, EDGE / 2)), float(0.15 * rng.standard_normal()))


def start(kind: str, seed: int, index: int, place: float = 0.0) -> Start:
    """One of them, by name; "before" begins before a `place` of the lap."""
    if kind == "structured":
        return structured_start(index)
    if kind == "before":
        return start_before(place, seed, index)
    return start_beside(seed, index) if kind == "beside" else random_start(seed, index)
