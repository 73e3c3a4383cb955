"""Small episodes with content that can be told apart."""

from collections.abc import Callable

import numpy as np
import pytest

from reverie.data.episode import Episode

MakeEpisode = Callable[..., Episode]


@pytest.fixture
def make_episode() -> MakeEpisode:
    """`make_episode(number, t)`: frame i holds the number in channel 0, i in channel 1; rewards are 100 number + i."""

    def make(number: int, t: int, *, end: bool = True, trunc: bool = False) -> Episode:
        obs = np.zeros((t + 1, 64, 64, 3), np.uint8)
        obs[..., 0] = number
        obs[..., 1] = np.arange(t + 1)[:, None, None]
        rew = (100 * number + np.arange(t)).astype(np.float32)
        return Episode(obs=obs, act=np.stack([rew, -rew], 1), rew=rew, end=end, trunc=trunc)

    return make
