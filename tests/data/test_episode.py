"""An episode refuses what is not one, and says which array is wrong."""

import numpy as np
import pytest

from reverie.data.episode import Episode


def arrays(t=3):
    return {
        "obs": np.zeros((t + 1, 64, 64, 3), np.uint8),
        "act": np.zeros((t, 2), np.float32),
        "rew": np.zeros(t, np.float32),
        "end": True,
        "trunc": False,
    }


def test_length_is_decisions():
    assert len(Episode(**arrays(5))) == 5


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("obs", np.zeros((3, 64, 64, 3), np.uint8), r"obs must be \(4, 64, 64, 3\) uint8, not \(3, 64, 64, 3\) uint8"),
        ("obs", np.zeros((4, 3, 64, 64), np.uint8), r"not \(4, 3, 64, 64\)"),
        ("obs", np.zeros((4, 64, 64, 3), np.float32), "float32"),
        ("act", np.zeros(3, np.float32), r"not \(3,\) float32"),
        ("act", np.zeros((3, 2)), "float64"),
        ("act", np.zeros((0, 2), np.float32), r"t > 0, not \(0, 2\)"),
        ("rew", np.zeros(4, np.float32), r"rew must be \(3,\) float32, not \(4,\)"),
        ("rew", np.zeros(3), "float64"),
        ("rew", np.array([0, np.nan, 0], np.float32), r"rew \(3,\) holds NaN"),
        ("act", np.full((3, 2), np.inf, np.float32), r"act \(3, 2\) holds NaN"),
    ],
)
def test_what_is_wrong_is_named(name, wrong, message):
    with pytest.raises(ValueError, match=message):
        Episode(**{**arrays(), name: wrong})
