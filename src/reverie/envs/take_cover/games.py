"""ViZDoom's games: each a process of its own, started when one more is needed, and kept for the next episode.

A game that was started in ViZDoom's own way outlives a killed owner for ever, and leaves 11 MB of shared memory, a
settings file and a folder. Those that are started here leave nothing, however their owner ends.
"""

import os
import shlex
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from reverie import scratch
from reverie.envs.take_cover import launch
from reverie.errors import UserError

_SHARED_MEMORY = Path("/dev/shm")
_PARTS = ("SM", "MQCtr", "MQDoom")
"""Of a game's shared memory: what it says, and two queues."""
_idle = defaultdict[int, list[Any]](list)
"""Games that nobody plays, by their skill."""


def begin(skill: int, seed: int, game: Any = None) -> Any:
    """An episode of Take Cover, as the game's `seed` says, in `game`, in one that nobody plays, or in a new one: a
    `vizdoom.DoomGame`. Raises UserError where none can be started."""
    import vizdoom as v

    while game or _idle[skill]:
        game = game or _idle[skill].pop()
        with suppress(v.ViZDoomErrorException, v.ViZDoomUnexpectedExitException, v.ViZDoomIsNotRunningException):
            return _seeded(game, seed)
        game = None
    return _seeded(_start(skill), seed)


def give_back(skill: int, games: list[Any]) -> None:
    """Whoever comes next may play them."""
    _idle[skill] += games


def _seeded(game: Any, seed: int) -> Any:
    game.set_seed(seed)
    game.new_episode()
    return game


def _start(skill: int) -> Any:
    import vizdoom

    game: Any = vizdoom.DoomGame()
    game.load_config(str(Path(vizdoom.scenarios_path, "take_cover.cfg")))
    game.set_window_visible(False)
    game.set_screen_format(vizdoom.ScreenFormat.RGB24)
    game.set_doom_skill(skill)
    with tidy(game):
        game.init()
    return game


@contextmanager
def tidy(game: Any) -> Iterator[None]:
    """A game that is started within leaves nothing behind. Raises UserError where it cannot be started."""
    import vizdoom

    program = Path(vizdoom.__file__).with_name("vizdoom")
    with scratch.temporary() as folder:
        start = folder / "start"
        python = [sys.executable, "-I", "-S", str(launch.__file__), str(os.getpid()), str(folder), str(program)]
        start.write_text(f'#!/bin/sh\nexec {shlex.join(python)} "$@"\n')
        start.chmod(0o700)
        game.set_vizdoom_path(str(start))
        game.set_doom_config_path(os.devnull)
        game.set_sound_enabled(False)
        try:
            yield
        except (vizdoom.ViZDoomErrorException, vizdoom.ViZDoomUnexpectedExitException) as error:
            raise UserError(f"ViZDoom's game does not start ({error}): see whether {program} runs") from error
    for part in _PARTS:  # both sides have opened it: a name is not needed any more
        with suppress(FileNotFoundError):
            (_SHARED_MEMORY / f"ViZDoom{part}{game.get_instance_id()}").unlink()
