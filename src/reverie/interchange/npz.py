"""A folder of `.npz` files, an episode each, as the old code bases write them: obs, action, reward, done.

They keep as many observations as actions, so that what the last action led to is missing; ours keep one more. Rewards
and ends are those of the action in the same row, or, in the code base of the course report, those that came together
with its observation.

Shapes: n rows of a file, t decisions.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from reverie.data.arrays import foreign_unzipped, names_unzipped
from reverie.errors import UserError
from reverie.interchange.foreign import ForeignEpisode
from reverie.reading import open_regular

NpzRewards = Literal["of_action", "with_obs"]
"""Whether the reward and the end in a row came of its action, or together with its observation, where there are as many
observations as actions."""
NAMES = ("obs", "action", "reward", "done")
_MAX_BYTES = 2**31
"""Of an array: 21,000 frames as numbers of 64 bits."""


class NpzFolder:
    """The episodes in a folder, by the names of their files. Raises UserError where there is none."""

    def __init__(self, folder: Path, rewards: NpzRewards) -> None:
        self.name = str(folder)
        self._rewards: NpzRewards = rewards
        if not folder.is_dir():
            raise UserError(f"collect.from_npz: there is no folder {folder}: check the path")
        self._paths = sorted(folder.glob("*.npz"))
        if not self._paths:
            raise UserError(f"collect.from_npz: {folder} holds no .npz file: give the folder of the episodes")

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[tuple[str, ForeignEpisode]]:
        """Episodes, and what to call them. Raises UserError for a file that is none."""
        for path in self._paths:
            try:
                yield str(path), _read(path, self._rewards)
            except ValueError as error:
                raise UserError(f"{path} is no episode: {error}") from error


def _read(path: Path, rewards: NpzRewards) -> ForeignEpisode:
    """The episode in a file. Raises ValueError where it holds none."""
    with open_regular(path) as file:
        arrays = foreign_unzipped(file, (*NAMES, "trunc"), _MAX_BYTES)
        if missing := [name for name in NAMES if name not in arrays]:
            there = ", ".join(names_unzipped(file)) or "nothing"
            raise ValueError(f"it has no {missing[0]}: give {', '.join(NAMES)} (it holds {there})")
    for name in NAMES:
        if arrays[name].ndim == 0:
            raise ValueError(f"its {name} is a single number")
    obs, act, rew, done = (arrays[name] for name in NAMES)
    n = len(act)
    if len(rew) != n or len(done) != n or len(obs) not in (n, n + 1):
        lengths = ", ".join(f"{len(arrays[name]):,} {name}" for name in NAMES)
        raise ValueError(f"it has {lengths}: give as many of each, and of obs as many or one more")
    if n == 0:
        raise ValueError("it is empty")
    if not np.isin(done, (0, 1)).all():
        raise ValueError("its done is neither true nor false everywhere")
    done = done.reshape(n, -1).max(1).astype(bool)
    if len(obs) == n and rewards == "with_obs":
        act, rew, done = act[:-1], rew[1:], done[1:]
    elif len(obs) == n and done.any():
        obs = np.concatenate([obs, obs[-1:]])  # nobody knows what an end looks like: it looks like what was before
    elif len(obs) == n:
        act, rew, done = act[:-1], rew[:-1], done[:-1]
    if len(act) == 0:
        raise ValueError("it has one observation, of which nothing follows")
    t = int(done.argmax()) + 1 if done.any() else len(act)  # whoever goes on after an end repeats it
    end = bool(done[t - 1])
    trunc = bool(arrays["trunc"].any()) if "trunc" in arrays else not end
    return ForeignEpisode(obs=obs[: t + 1], act=act[:t], rew=rew[:t], end=end, trunc=trunc, seed=None)
