"""What the verbs share: arguments, and how results are printed."""

import contextlib
import io
import itertools
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import tyro
from annotated_types import Ge, Gt, Le

from reverie import environment
from reverie.errors import UserError
from reverie.notes import say
from reverie.reading import typed_path
from reverie.types import Device

if TYPE_CHECKING:
    from reverie.dream.plan import PlanConfig
    from reverie.run.folder import RunFolder

Arguments = TypeVar("Arguments")

Seed = Annotated[int, Ge(0), Le(2**31 - 1)]
"""Of a track, or of chance."""


@dataclass(frozen=True, kw_only=True)
class DeviceArguments:
    """Where networks are computed."""

    device: Device = "cpu"
    """Where V, M and dreams are computed: cpu, cuda, mps, or auto for what there is."""


@dataclass(frozen=True, kw_only=True)
class WorldArguments:
    """Which world may be lived in."""

    trust: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Module that may be imported because the run's world is called `MODULE:id`; may be given again. Those named in
    REVERIE_TRUST may be, too, and those in --set env.id=MODULE:id."""


@dataclass(frozen=True, kw_only=True)
class DriverArguments(WorldArguments, DeviceArguments):
    """Who drives: the run's C, another one, or M with a plan."""

    controller: Path | None = None
    """Another controller of this run than the one it keeps, also while the search still goes on: the file
    RUN/evolution/best.safetensors (best evaluated so far) or current.safetensors (where the search is)."""

    plan: bool = False
    """Let M plan every decision in its dreams, C being its first guess where the run has one (docs/dreams.md)."""
    set: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """With --plan: change a setting of the plan, as key=value (samples, horizon, iterations, ...); may be given
    again."""

    @property
    def planning(self) -> "PlanConfig | None":
        """How to plan, if that is asked for. Raises UserError where a setting makes no sense."""
        from reverie.dream.plan import PlanConfig
        from reverie.run import settings

        if self.plan and self.controller:
            raise UserError("--plan follows the run's own C: leave out --controller, or --plan", usage=True)
        if self.set and not self.plan:
            raise UserError("--set changes how a plan is made: give --plan, too", usage=True)
        return settings.chosen(PlanConfig, self.set, "--plan") if self.plan else None


@dataclass(frozen=True, kw_only=True)
class StageArguments(WorldArguments):
    """Which run, and with what settings."""

    recipe: Annotated[str | None, tyro.conf.Positional] = None
    """Recipe by name (see `reverie recipes`) or path to a TOML file; quick if not given and the run is new."""
    run: Path | None = None
    """Folder of the run: a new one is made, one that exists is continued. Default: runs/RECIPE."""
    set: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Change a setting, as section.key=value; may be given again."""
    again: bool = False
    """Throw away what this made before, and all that was made from it, and do it anew."""
    force: bool = False
    """Go on where a stage has failed: where V has collapsed, M foresees nothing, or C has learned nothing."""
    workers: str | None = None
    """Processes that run episodes; -1 for one a core, 0 for none but the main one; or `dask`. Results do not depend on
    it."""
    scheduler: str | None = None
    """With --workers dask: the address of the Dask scheduler, tls://HOST:PORT, or `local`."""
    device: Device | None = None
    """Where V, M and dreams are computed: cpu, cuda, mps, or auto for what there is. Default: as the recipe has it."""
    quiet: bool = False
    """Show no progress."""
    json: bool = False
    """Print the result as one JSON object."""

    @property
    def dask(self) -> str | None:
        """Where the Dask scheduler is, if there is to be one."""
        from reverie.workers.make import scheduler_of

        return scheduler_of(self.workers, self.scheduler)

    def open(self, stage: str, *overrides: str) -> "RunFolder":
        """The run that these arguments name, for `stage` and those after it."""
        from reverie.run.folder import RunFolder
        from reverie.workers.make import number_of

        dask = self.dask  # refused, if it is, before a run is made
        if self.device is not None:
            from reverie.devices import chosen_device

            chosen_device(self.device)  # as is this
            overrides = (*overrides, f"device={self.device}")
        if self.workers is not None and dask is None:
            overrides = (*overrides, f"workers={number_of(self.workers)}")
        again = stage if self.again else None
        return RunFolder.open_or_create(self.run, self.recipe, [*self.set, *overrides], again=again)


def parse(kind: type[Arguments], arguments: Sequence[str], verb: str, description: str) -> Arguments:
    """Reads the command line of a verb; --help ends the program. Raises UserError where it cannot be read."""
    config = (tyro.conf.FlagCreatePairsOff, tyro.conf.OmitSubcommandPrefixes, tyro.conf.DisallowNone)

    def read() -> Arguments:
        return tyro.cli(kind, prog=f"reverie {verb}", description=description, args=list(arguments), config=config)

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            found = read()
    except SystemExit as error:
        if not error.code:
            raise
        mistake = _one_line(_said_widely(read))
        raise UserError(f"{mistake}; see `reverie {verb} --help`", usage=True) from error
    sys.stderr.write(said.getvalue())
    if isinstance(found, WorldArguments):
        from reverie.envs.trusted import trust

        trust(found.trust)
    return _checked(found)


def _checked(args: Any) -> Any:
    """The arguments with paths as they were meant. Raises UserError where a number is none, or out of bounds, which an
    option has as a field of a recipe does (`Annotated[int, Ge(1)]`)."""
    paths = {}
    for name, hint in get_type_hints(type(args), include_extras=True).items():
        value, option = getattr(args, name), f"--{name.rstrip('_').replace('_', '-')}"
        if isinstance(value, Path):
            paths[name] = typed_path(value)
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, float) and not math.isfinite(number):
                raise UserError(f"{option} {number}: give a number", usage=True)
            for bound in getattr(hint, "__metadata__", ()):
                if (words := _beyond(number, bound)) is not None:
                    raise UserError(f"{option} {number}: give {words}", usage=True)
    return replace(args, **paths)


def _beyond(number: Any, bound: Any) -> str | None:
    """What to give instead, where a number is out of bounds."""
    match bound:
        case Ge(limit) if number is not None and number < limit:
            return f"{limit} or more"
        case Gt(limit) if number is not None and number <= limit:
            return f"more than {limit}"
        case Le(limit) if number is not None and number > limit:
            return f"{limit} at most"
    return None


def _said_widely(read: Callable[[], object]) -> str:
    """What tyro says of the mistake when it has room enough not to break lines."""
    said = io.StringIO()
    with environment.variable("COLUMNS", "5000"), contextlib.redirect_stderr(said), contextlib.suppress(SystemExit):
        read()
    return said.getvalue()


def _one_line(box: str) -> str:
    """The words of tyro's boxed message, without the help that it adds."""
    lines = [line.strip("│╭╮╰╯─ \n") for line in box.splitlines()[1:]]
    lines = [line for line in lines if line.strip("-")]  # not the rule, in plain letters, above an argument's help
    words = [line for line in lines if "--help" not in line and "full helptext" not in line]
    return " ".join(itertools.takewhile(lambda line: not line.startswith("Argument helptext"), words))


def named(text: str) -> tuple[str | None, str]:
    """The reader's name of a run, if there is one, and its folder: full=runs/a. Raises UserError where one of the two
    is missing."""
    name, equals, folder = text.partition("=")
    if not equals or Path(text).exists():
        return None, text
    if not name or not folder:
        raise UserError(f"{text}: give NAME=RUN, or RUN alone", usage=True)
    return name, folder


def output_of(run: "RunFolder", asked: Path | None, inside: Path) -> Path:
    """Where a verb puts what it makes of a run: where it was `asked` to; else `inside` the run, or, where that is only
    read, since it ships or this user may not write into it, in the folder where the command is run. Raises UserError
    where that cannot be written to, which is known before the work."""
    from reverie.writing import may_write, require_writable

    path = asked or inside
    if asked is None and (run.is_packaged or not may_write(inside)):
        named = Path(run.name).stem if run.is_packaged else run.path.resolve().name
        path = Path(f"{named}_{inside.name}")
    require_writable(path)
    return path


def print_json(value: Any) -> None:
    """One object on standard output."""
    say(json.dumps(value, indent=2).replace("\x7f", "\\u007f"))
