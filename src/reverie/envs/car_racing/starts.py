"""Where cars start when they shall see more of the world than the first bend: for training data only."""

import math

from reverie.envs.vector import Start
from reverie.seeding import generator

EDGE = 5.0
"""Largest offset from the middle of the road, whose half width is 6.67: all wheels still touch it."""
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


def start(kind: str, seed: int, index: int) -> Start:
    """Either of the two, by name."""
    return structured_start(index) if kind == "structured" else random_start(seed, index)
