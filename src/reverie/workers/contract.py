"""What all workers do: run pure functions of one picklable argument, and give the results in order.

Tasks are pure, so that one whose worker died or hung is simply run again: nothing is lost or counted twice, and results
do not depend on who ran what.
"""

import os
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from reverie.errors import UserError

Task = TypeVar("Task")
Result = TypeVar("Result")

TRACEBACK_LINES = 6
"""Of a failed task, the last of which reach the user."""
FLOOR_SECONDS, SLOW = 600.0, 20.0
"""Workers hang if none of them has finished a task for so many seconds, and so many times the longest task before."""
TASKS_AHEAD = 4
"""Given out for each worker: so it need not wait for the next, and what is done and not yet fetched stays little."""
FILES_VARIABLE = "REVERIE_FILES"
_PLACED = "@reverie"


@dataclass
class Events:
    """What went wrong and was mended."""

    lost: int = 0
    """Workers that died with work in their hands; it was done again."""
    hung: int = 0
    """Times that nothing came for too long, and workers were started anew."""
    repeated: int = 0
    """Tasks that failed and were right the second time."""

    def text(self, *, finished: bool) -> str:
        """In words; empty where there is nothing to say. `finished` where all that was asked for was done."""
        parts = [
            f"{self.lost} lost" if self.lost else "",
            f"{self.hung} hung" if self.hung else "",
            f"{self.repeated} tasks failed once" if self.repeated else "",
        ]
        said = ", ".join(filter(None, parts))
        return f"workers: {said}{'; all of their work was done again' if finished else ''}" if said else ""


class Workers(Protocol):
    """Where tasks are run."""

    @property
    def events(self) -> Events:
        """What happened so far."""
        ...

    def place(self, folder: Path, names: tuple[str, ...]) -> Path:
        """Makes files of `folder` known to all workers, those that come later too; gives the folder for `located`."""
        ...

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """Results in the order of the tasks, each as soon as it and those before it are there.

        Tasks are taken from the iterable as they are given out, `TASKS_AHEAD` for each worker, and nothing is kept of
        what was handed on.
        A task that fails is tried once more; raises UserError with the end of its traceback where it fails again.
        """
        ...

    def close(self) -> None:
        """Ends the workers, whatever they do."""
        ...


def placed(digest: str) -> Path:
    """Stands for the folder of files that each worker keeps where it likes."""
    return Path(_PLACED) / digest


def located(folder: Path) -> Path:
    """The real folder, in the process that asks, of what `Workers.place` gave."""
    return Path(os.environ[FILES_VARIABLE], *folder.parts[1:]) if folder.parts[:1] == (_PLACED,) else folder


class Attempt(NamedTuple):
    """A result, whether it took a second try, and how long the last try took."""

    result: Any
    repeated: bool
    seconds: float


def attempt(function: Callable[[Task], Result], task: Task) -> Attempt:
    """Runs a task in this process, twice if it must be."""
    for repeated in (False, True):
        started = time.monotonic()
        try:
            return Attempt(function(task), repeated, time.monotonic() - started)
        except UserError:
            raise
        except Exception as error:
            if repeated:
                lines = "".join(traceback.format_exception(error)).strip().splitlines()
                end = "\n".join(f"  {line}" for line in lines[-TRACEBACK_LINES:])
                raise UserError(
                    f"a worker failed twice at the same work ({type(error).__name__}: {error}); its traceback ends "
                    f"so, please report it:\n{end}"
                ) from None
    raise AssertionError


class Patience:
    """How long to wait for the next result before workers count as hanging.

    It goes by how long tasks took, not by how long results were waited for: that has the start of the workers in it.
    """

    def __init__(self, floor: float = FLOOR_SECONDS) -> None:
        self._floor, self._longest, self._hangs, self._since = floor, 0.0, 0, time.monotonic()

    @property
    def seconds(self) -> float:
        """Between two results; twice as long after each hang of a round, so that slow work ends at last."""
        return max(self._floor, SLOW * self._longest) * 2**self._hangs

    @property
    def left(self) -> float:
        """Seconds until it is over; below 0 when it is."""
        return self._since + self.seconds - time.monotonic()

    def start(self) -> None:
        """A round begins."""
        self._hangs, self._since = 0, time.monotonic()

    def renew(self, *, hung: bool = False) -> None:
        """Something came, or workers were started anew."""
        self._hangs += hung
        self._since = time.monotonic()

    def learn(self, seconds: float) -> None:
        """A task took so long."""
        self._longest = max(self._longest, seconds)
