"""`reverie fork`: a new run from what another has finished."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from reverie.cli.arguments import WorldArguments, parse, print_json
from reverie.notes import say


@dataclass(frozen=True, kw_only=True)
class ForkArguments(WorldArguments):
    """From which run, where to, and what shall be different."""

    run: Annotated[str, tyro.conf.Positional]
    """Folder of a run that has finished its first stage at least."""
    new: Annotated[Path, tyro.conf.Positional]
    """Folder of the new run."""
    set: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Change a setting, as section.key=value (`reverie settings` lists them); may be given again. Stages before the
    first one that it is about are kept, the others are left to be made."""
    json: bool = False
    """Print the result as one JSON object."""


def main(verb: str, arguments: Sequence[str]) -> None:
    """Makes the new run, and says what it has and how to go on."""
    description = "A new run with the data of another and another V, with its V and M and another C, and so on."
    args = parse(ForkArguments, arguments, verb, description)
    from reverie.run.folder import RunFolder
    from reverie.run.fork import fork

    made, kept = fork(RunFolder.open(args.run), args.new, args.set)
    if args.json:
        print_json({"run": str(made.path), "forked_from": made.manifest["forked_from"], "kept": kept})
    else:
        say(f"{made.path}: has {', '.join(kept)} of {args.run}")
        say(f"next: reverie train --run {made.path}")
