"""Training from a program, with progress as events: told to a callback, or one after another in a loop."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from reverie.api.run import Run
from reverie.events import Event, Listener, listening
from reverie.notes import forget_notes
from reverie.reading import typed_path
from reverie.run.folder import RunFolder
from reverie.run.settings import flat_table
from reverie.training.pipeline import run_stages


def train(
    recipe: str | Path | None = None,
    /,
    *,
    run: str | Path | None = None,
    on_event: Listener | None = None,
    force: bool = False,
    quiet: bool = False,
    **settings: Any,
) -> Run:
    """Goes through every stage that is not finished, as `reverie train` does, and returns the run.

    `recipe` is a name (`reverie recipes`) or a TOML file, `quick` if not given and the run is new. `run` is the folder,
    `runs/RECIPE` if not given; a run that is there is continued. `settings` are those of `reverie settings`: `seed=1`,
    or `**{"controller.search.generations": 5}`.

    `on_event` is called with each `Event`, in this thread; what it raises ends the training, which goes on from there
    when it is called again. `force` goes on where a stage has failed (a V that has collapsed, say), which otherwise
    ends it. `quiet` writes no progress to stderr.

    Raises UserError where a recipe or setting makes no sense, the run in that folder has others, or a stage has failed.

    >>> import reverie
    >>> try:
    ...     reverie.train("debug", run="runs/x", **{"controller.search.generation": 5})
    ... except reverie.UserError as error:
    ...     print(error)
    recipe debug: unknown key controller.search.generation (did you mean generations?); ...
    """
    return _train(_open(recipe, run, settings), on_event, force=force, quiet=quiet)


def train_events(
    recipe: str | Path | None = None, /, *, run: str | Path | None = None, force: bool = False, **settings: Any
) -> Iterator[Event]:
    """The same as an iterator: it trains while the loop over it goes on, in a thread of its own, and ends when the run
    is complete. A loop that is left early (`break`) ends the training at the next event, and may be begun again.

    Arguments and errors as for `train`. It writes no progress to stderr.
    """
    return _events(_open(recipe, run, settings), force=force)


def _open(recipe: str | Path | None, run: str | Path | None, settings: dict[str, Any]) -> RunFolder:
    forget_notes()
    overrides = [f"{key}={_as_toml(value)}" for key, value in flat_table(settings).items()]
    path = None if run is None else typed_path(run)
    return RunFolder.open_or_create(path, None if recipe is None else str(recipe), overrides)


def _train(folder: RunFolder, listener: Listener | None, *, force: bool, quiet: bool) -> Run:
    with listening(listener):
        run_stages(folder, force=force, quiet=quiet)
    return Run(folder)


class _LeftEarly(Exception):
    """Nobody takes events any more."""


def _events(folder: RunFolder, *, force: bool) -> Iterator[Event]:
    told, is_left = SimpleQueue[Event | BaseException | None](), threading.Event()

    def listen(event: Event) -> None:
        if is_left.is_set():
            raise _LeftEarly
        told.put(event)

    def work() -> None:
        try:
            _train(folder, listen, force=force, quiet=True)
            told.put(None)
        except BaseException as error:  # whatever it is, it belongs to the thread that takes the events
            told.put(error)

    thread = threading.Thread(target=work, name="reverie-train", daemon=True)
    thread.start()
    try:
        while isinstance(event := told.get(), Event):
            yield event
        if event is not None:
            raise event
    finally:
        is_left.set()
        thread.join()


def _as_toml(value: Any) -> str:
    """A value as `--set` has it: numbers, words and lists are written alike in JSON and in TOML."""
    return json.dumps(value, ensure_ascii=False, default=lambda other: getattr(other, "item", other.__str__)())
