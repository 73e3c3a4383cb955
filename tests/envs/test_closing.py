"""What is left of an environment that nobody needs any more."""

import gc
import weakref
from typing import Any

import gymnasium
import numpy as np
import pytest

from reverie.envs.config import FAST_ID, EnvConfig
from reverie.envs.registry import make_vector_env, register


@pytest.mark.parametrize("renderer", ["fast", "gymnasium"])
@pytest.mark.parametrize("is_closed", [True, False])
def test_nothing_stays_of_a_batch(renderer: str, is_closed: bool) -> None:
    batch: Any = make_vector_env(EnvConfig(renderer=renderer, max_frames=8), 2)  # type: ignore[arg-type]
    rows = np.arange(2)
    batch.reset(rows, rows)
    batch.step(rows, np.zeros((2, 3), np.float32))
    cars = [weakref.ref(batch.simulation(row)) for row in range(2)]
    if is_closed:
        batch.close()
        batch.close()
    del batch
    gc.collect()
    assert [car() for car in cars] == [None, None]


def test_nothing_stays_of_a_single_one_that_is_closed() -> None:
    register()
    env = gymnasium.make(FAST_ID)
    env.reset(seed=1)
    env.step(np.zeros(3, np.float32))
    car = weakref.ref(env.unwrapped)
    env.close()
    del env
    gc.collect()
    assert car() is None
