"""Frames of CarRacing in one compiled call: Gymnasium's `step`, bit for bit, but for its pictures.

What it does in Python takes longer than Box2D's part. So the wheels' forces, the contacts and the reward are compiled
code that works where Box2D and Gymnasium keep them (`wheels`, `contacts`), and of Box2D's rounds those are left out of
which nothing comes (`solver`). Where Box2D or the car is not what was expected, Gymnasium's code drives on.
"""

from typing import Any

import numpy as np
from gymnasium.envs.box2d import car_racing as gym_car
from numpy.typing import NDArray

from reverie.compiled import compiled
from reverie.envs.car_racing.addresses import call_step, function
from reverie.envs.car_racing.contacts import Contacts, Tiles, are_ours, can_notice, leave, notice, num_fresh
from reverie.envs.car_racing.solver import as_before, shorten, solver
from reverie.envs.car_racing.wheels import Wheels, can_drive, drive, outside

_STEP = "_ZN7b2World4StepEfii"
_ROUNDS, _MORE = 6 * 30, 2 * 30  # for speeds, and for places, as Gymnasium has it
_SECONDS = 1.0 / gym_car.FPS
_TIME, _REWARD, _BEFORE, _VISITED, _LAP, _TILES, _PERCENT, _SUM, _ENDED, _DONE, _SHOWN = range(11)


class Frames:
    """A CarRacing whose frames are driven without Gymnasium's code; until `give_back`, its car does not know."""

    def __init__(self, env: Any, car: Any, world: Any, contacts: Contacts, joints: NDArray[np.int64]) -> None:
        self._env, self._wheels, self._contacts, self._joints = env, Wheels(car), contacts, joints
        self._step, self._world = function(_STEP), int(world.this)
        self._listener = world.contactListener
        self._score = np.zeros(11)
        self.shown = 0.0
        """The score that Gymnasium writes into the last frame's picture: as it was before that frame cost 0.1."""

    @classmethod
    def of(cls, env: Any, car: Any, world: Any, tiles: Tiles) -> "Frames | None":
        """Takes over from a CarRacing with this car, world and tiles; None where it cannot."""
        alone = world.jointCount == len(car.wheels) and world.bodyCount == len(tiles.road) + 1 + len(car.wheels)
        if not (alone and can_drive(car) and can_notice(env, world) and are_ours(tiles) and function(_STEP)):
            return None
        joints = solver([int(wheel.joint.this) for wheel in car.wheels])
        if joints is None:
            return None
        return cls(env, car, world, Contacts(car, world.contactListener, tiles, env.road_color), joints)

    def advance(self, steer: float, gas: float, brake: float, frames: int) -> tuple[float, bool, int]:
        """Up to so many frames, fewer if the episode ends: the sum of rewards, whether it has ended, and how many."""
        env, score, wheels, contacts = self._env, self._score, self._wheels, self._contacts
        contacts.color[:] = env.road_color
        score[:_SUM] = (
            env.t,
            env.reward,
            env.prev_reward,
            env.tile_visited_count,
            env.new_lap,
            len(env.track),
            self._listener.lap_complete_percent,
        )
        _advance(
            wheels.at,
            wheels.numbers,
            self._joints,
            contacts.table,
            contacts.fresh,
            self._step,
            self._world,
            score,
            steer,
            gas,
            brake,
            frames,
        )
        env.t, env.reward, env.prev_reward, visited, lap, _, _, total, ended, done, self.shown = score.tolist()
        env.tile_visited_count, env.new_lap = int(visited), bool(lap)
        contacts.tell()
        return total, bool(ended), int(done)

    def look(self, time: float, state: NDArray[np.float64]) -> None:
        """Writes what `Scenes.load_state` reads of the car, at `time`, into a state vector of a scene."""
        self._wheels.look(time, state)

    @property
    def left_the_field(self) -> bool:
        """Whether the car is where an episode ends with a loss of 100."""
        return outside(self._wheels.at)

    def give_back(self) -> None:
        """Tells Gymnasium's car."""
        self._wheels.give_back()


@compiled(kept=True, nogil=False)  # so that no other thread sees or changes what is half done
def _advance(at, numbers, joints, contacts, fresh, step, world, score, steer, gas, brake, frames):
    """at (9,) addresses, numbers (4, 5) of the wheels; joints and contacts are tables of `solver` and `Contacts`."""
    score[_SUM], score[_ENDED], score[_DONE] = 0.0, 0.0, 0.0
    seen = 0
    notice(contacts)
    while score[_DONE] < frames and not score[_ENDED]:
        drive(at, numbers, contacts, steer, gas, brake)
        shorten(joints)
        call_step(step, world, np.float32(_SECONDS), np.int32(_ROUNDS), np.int32(_MORE))  # pyright: ignore[reportCallIssue] (numba gives the context)
        as_before(joints, at[5:])
        score[_TIME] += _SECONDS
        while seen < num_fresh(contacts):
            score[_REWARD] += 1000.0 / score[_TILES]
            score[_VISITED] += 1
            if fresh[seen] == 0 and score[_VISITED] / score[_TILES] > score[_PERCENT]:
                score[_LAP] = 1.0
            seen += 1
        score[_SHOWN] = score[_REWARD]
        score[_REWARD] -= 0.1
        reward, score[_BEFORE] = score[_REWARD] - score[_BEFORE], score[_REWARD]
        score[_ENDED] = score[_VISITED] == score[_TILES] or score[_LAP] > 0
        if outside(at):
            reward, score[_ENDED] = -100.0, 1.0
        score[_SUM] += reward
        score[_DONE] += 1
    leave(contacts)
