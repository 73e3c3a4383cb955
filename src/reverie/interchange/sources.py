"""Where a run takes episodes from that others collected."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from reverie.data.episode import Episode
from reverie.envs.config import EnvConfig
from reverie.envs.registry import spec_of
from reverie.errors import UserError
from reverie.interchange.foreign import ForeignEpisode, as_episode
from reverie.interchange.minari import MinariData
from reverie.interchange.npz import NpzFolder, NpzRewards


class _Foreign(Protocol):
    """Episodes as others keep them, and what to call each."""

    name: str

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[tuple[str, ForeignEpisode]]: ...


class Taken(NamedTuple):
    """An episode of others, as one of ours."""

    where: str
    """What to call it."""
    episode: Episode
    seed: int
    """What the environment was reset with; 0 where nobody knows."""


class Source:
    """The episodes of a Minari dataset, or of a folder of `.npz` files, as the world of `env` would have given them.

    Raises UserError where there are none, or fewer than two: one is held out.
    """

    def __init__(self, env: EnvConfig, *, minari: str, npz: str, rewards: NpzRewards) -> None:
        self._foreign: _Foreign = MinariData(minari, env) if minari else NpzFolder(Path(npz), rewards)
        self._spec, self.name = spec_of(env), self._foreign.name
        if len(self) < 2:
            raise UserError(f"{self.name} has {len(self)} episodes: V and M need 2 at least, of which one is held out")

    def __len__(self) -> int:
        return len(self._foreign)

    def __iter__(self) -> Iterator[Taken]:
        """The episodes in order. Raises UserError for one that is none, or not of this world."""
        for where, found in self._foreign:
            try:
                episode = as_episode(found, self._spec)
            except (ValueError, UserError) as error:
                raise UserError(f"{where} does not fit: {error}") from error
            yield Taken(where, episode, max(0, found.seed or 0))
