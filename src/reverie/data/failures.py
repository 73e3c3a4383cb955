"""Where a driver failed: it did not get on for a while, or the world put it out.

Shapes: d decisions of an episode.
"""

import numpy as np

STUCK = 12
"""A driver has failed who does not get on for so many decisions."""


def failures(got_on: np.ndarray, *, put_out: bool = False) -> np.ndarray:
    """The decisions, in order, that were the last to get on before `STUCK` or more that did not, or before fewer at
    whose end the driver was `put_out` of the world. Who has not got on yet has not failed.

    `got_on` (d,) bool says which decisions of one episode did, as its world understands it (`EnvSpec.got_on`).
    """
    on = np.flatnonzero(got_on)
    lulls = np.diff(on, append=len(got_on)) - 1  # decisions without after each of them
    failed = lulls >= STUCK
    if put_out and len(on):
        failed[-1] |= lulls[-1] > 0
    return on[failed]


def lost(got_on: np.ndarray, *, put_out: bool = False) -> np.ndarray:
    """The decisions after a failure and before the next one that gets on, (d,) bool, of one episode; arguments as those
    of `failures`."""
    num = len(got_on)
    on = np.append(np.flatnonzero(got_on), num)
    is_lost = np.zeros(num, bool)
    for decision in failures(got_on, put_out=put_out):
        is_lost[decision + 1 : on[on > decision][0]] = True
    return is_lost
