"""The page's CarRacing, in WebAssembly, against ours: the same drives, to the last bit."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.web.built import HERE, ROAD_JS, ROAD_WASM, needs_road

from reverie.envs.car_racing.env import FastCarRacing
from reverie.envs.car_racing.random_policies import MenuPolicy, WalkPolicy
from reverie.envs.car_racing.scene import SPEED, STATE_SIZE
from reverie.envs.car_racing.spec import PICTURE
from reverie.policies import AgentPolicy, Policy
from reverie.run.folder import RunFolder
from reverie.training.controller.rollouts import agent_of

DECISIONS, REPEAT = 1000, 4


class Drive(NamedTuple):
    """What a drive was; n decisions of 4 frames."""

    rewards: NDArray[np.float64]
    """(n, 4)"""
    states: NDArray[np.float64]
    """(n, 4, 27), laid out as in scene.py."""
    ends: NDArray[np.bool_]
    """(n) whether the environment had ended the episode; it is driven on."""
    pictures: NDArray[np.uint8]
    """(n, 96, 96, 3)"""


class Scripted:
    """A policy that acts by the number of the decision."""

    def __init__(self, action: Callable[[int], tuple[float, float, float]]) -> None:
        self._action = action

    def reset(self, seeds) -> None:  # noqa: ARG002 (Policy's)
        self._decision = -1

    def act(self, obs, prev_rew):  # noqa: ARG002 (Policy's)
        self._decision += 1
        return np.array([self._action(self._decision)], np.float32)

    def keep(self, mask) -> None:
        """It is alone."""


def _agent() -> Policy:
    agent, params = agent_of(RunFolder.open("pretrained"))
    return AgentPolicy(agent, params[None])


DRIVERS: dict[str, tuple[int, Callable[[], Policy]]] = {
    "agent": (3, _agent),
    "agent again": (2**33 + 7, _agent),
    "agent a third time": (140, _agent),
    "menu": (11, lambda: MenuPolicy(3, 5, 0)),
    "menu, held long": (12, lambda: MenuPolicy(20, 5, 1)),
    "walk": (13, lambda: WalkPolicy(30, 5, 0)),
    "fast walk": (14, lambda: WalkPolicy(20, 10, 1, steer_scale=0.6, gas=1.0)),
    "spins": (15, lambda: Scripted(lambda i: (1.0, 1.0, 0.0) if i % 50 else (-1.0, 0.3, 1.0))),
    "leaves the field": (16, lambda: Scripted(lambda i: (0.0, 1.0, 0.0))),  # noqa: ARG005
    "comes to rest": (17, lambda: Scripted(lambda i: (0.3, float(i < 40), 0.5 if i < 60 else 0.0))),
}


@needs_road
@pytest.mark.parametrize("name", DRIVERS)
def test_a_drive_is_ours_to_the_last_bit(name: str, tmp_path: Path):
    seed, driver = DRIVERS[name]
    actions, expected = _drive_here(seed, driver())
    found = _drive_in_node(seed, actions, tmp_path)
    np.testing.assert_array_equal(_but_speed(found.states), _but_speed(expected.states))
    # Python raises to the power of .5 where C takes the root
    np.testing.assert_allclose(found.states[..., SPEED], expected.states[..., SPEED], rtol=1e-15)
    np.testing.assert_array_equal(found.rewards, expected.rewards)
    np.testing.assert_array_equal(found.ends, expected.ends)
    np.testing.assert_array_equal(found.pictures, expected.pictures)
    if name == "leaves the field":
        assert expected.ends[-1]
        assert -100 in expected.rewards
    if name == "spins":
        assert abs(expected.states[-1, -1, 2]) > 120  # beyond the angles that the C library finds easy
    if name.startswith("agent"):
        assert expected.rewards[:250].sum() > 800


def _but_speed(states: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.delete(states, SPEED, -1)


def _drive_here(seed: int, policy: Policy) -> tuple[NDArray[np.float32], Drive]:
    """The actions (n, 3) and what came of them."""
    env = FastCarRacing()
    picture, reward = env.reset(seed=seed)[0], 0.0
    policy.reset([seed])
    actions = np.empty((DECISIONS, 3), np.float32)
    drive = Drive(
        rewards=np.empty((DECISIONS, REPEAT)),
        states=np.empty((DECISIONS, REPEAT, STATE_SIZE)),
        ends=np.empty(DECISIONS, bool),
        pictures=np.empty((DECISIONS, 96, 96, 3), np.uint8),
    )
    for i in range(DECISIONS):
        actions[i] = policy.act(PICTURE.to_64(picture)[None], np.array([reward]))[0]
        for k in range(REPEAT):
            drive.rewards[i, k], drive.ends[i], _ = env.advance(actions[i])
            env.read_scene()
            drive.states[i, k] = env.scene[-1]
        reward = drive.rewards[i].sum()
        picture = drive.pictures[i] = env._render("state_pixels")
    env.close()
    return actions, drive


def _drive_in_node(seed: int, actions: NDArray[np.float32], folder: Path) -> Drive:
    given, out = folder / "actions", folder / "drive"
    given.write_bytes(actions.tobytes())
    command = ["node", HERE / "road_drive.js", ROAD_JS, ROAD_WASM, out, str(seed), given]
    times = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(f"\nroad.wasm: {times['frame_ms']:.3f} ms a frame, {times['picture_ms']:.3f} ms a picture", end="")
    record = np.dtype(
        [("frames", "<f8", (REPEAT, 1 + STATE_SIZE)), ("end", "?"), ("picture", "u1", (96, 96, 3))], align=False
    )
    found = np.fromfile(out, record)
    return Drive(found["frames"][..., 0], found["frames"][..., 1:], found["end"], found["picture"])
