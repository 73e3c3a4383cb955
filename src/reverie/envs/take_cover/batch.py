"""Take Cover in lockstep: a game for each row, which draws the last frame of a decision alone."""

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.utils.seeding import np_random
from numpy.typing import ArrayLike, NDArray

from reverie.envs.config import EnvConfig
from reverie.envs.picture import SIZE
from reverie.envs.spec import EnvSpec
from reverie.envs.take_cover.games import begin, give_back
from reverie.envs.take_cover.spec import LEFT, RIGHT, skill
from reverie.envs.vector import Start, Transition
from reverie.errors import UserError


class TakeCoverBatch:
    """VectorEnv of VizdoomTakeCover-v1, whose pictures are Gymnasium's to the last pixel.

    Of the tic in which the player dies there is no picture: its last one is given again.
    """

    def __init__(self, config: EnvConfig, num_envs: int, spec: EnvSpec) -> None:
        self.num_envs, self.spec = num_envs, spec
        self._id, self._repeat, self._max_frames = config.id, config.action_repeat, config.max_frames
        self._skill = skill(config)
        self._games = dict[int, Any]()
        """By row; those that ran once are kept."""
        self._release = weakref.finalize(self, _release, self._skill, self._games)
        self._frames = [0] * num_envs
        self._live = [False] * num_envs
        self._obs = np.zeros((num_envs, SIZE, SIZE, 3), np.uint8)

    def reset(self, rows: ArrayLike, seeds: ArrayLike, starts: Sequence[Start] | None = None) -> NDArray[np.uint8]:
        """Start an episode in each of `rows`; returns obs (n, 64, 64, 3)."""
        if starts:
            raise UserError(f"{self._id} cannot start elsewhere than it usually does")
        rows, seeds = np.atleast_1d(rows), np.atleast_1d(seeds)
        assert rows.shape == seeds.shape == (len(rows),), (rows.shape, seeds.shape)
        for row, seed in zip(rows.tolist(), seeds.tolist(), strict=True):
            self._games[row] = begin(self._skill, _game_seed(seed), self._games.pop(row, None))
            self._frames[row], self._live[row] = 0, True
            self._see(row)
        return self._obs[rows]

    def step(self, rows: ArrayLike, act: NDArray[np.float32]) -> Transition:
        """One decision in each of `rows` with `act` (n, a)."""
        rows = np.atleast_1d(rows)
        n = len(rows)
        assert act.shape == (n, self.spec.actions.size), (act.shape, n)
        chosen = self.spec.actions.to_env(act)
        rew, end, trunc = np.zeros(n), np.zeros(n, bool), np.zeros(n, bool)
        for k, row in enumerate(rows.tolist()):
            if not self._live[row]:
                raise RuntimeError(f"row {row} has ended or was never started: reset it before stepping")
            game, tics = self._games[row], min(self._repeat, self._max_frames - self._frames[row])
            rew[k] = game.make_action([int(chosen[k] == LEFT), int(chosen[k] == RIGHT)], tics)
            self._frames[row] += int(rew[k])  # a tic survived is a point
            end[k] = game.is_episode_finished()
            trunc[k] = self._frames[row] >= self._max_frames
            self._live[row] = not (end[k] or trunc[k])
            if not end[k]:
                self._see(row)
        return Transition(obs=self._obs[rows], rew=rew, end=end, trunc=trunc, frames=rew.astype(np.int64))

    def close(self) -> None:
        """Leave the games to whoever comes next."""
        self._release()

    def _see(self, row: int) -> None:
        screen = self._games[row].get_state().screen_buffer
        self._obs[row] = self.spec.picture.to_64({self.spec.picture.key: screen})


def _release(skill: int, games: dict[int, Any]) -> None:
    give_back(skill, list(games.values()))
    games.clear()


def _game_seed(seed: int) -> int:
    """The game's seed where Gymnasium's environment is reset with `seed`."""
    return int(np_random(seed)[0].integers(0, 2**32, dtype=np.uint32))
