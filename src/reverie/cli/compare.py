"""`reverie compare`: several runs side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from annotated_types import Ge, Le

from reverie.cli.arguments import DeviceArguments, named, parse, print_json
from reverie.errors import UserError
from reverie.notes import say


@dataclass(frozen=True, kw_only=True)
class CompareArguments(DeviceArguments):
    """Which runs, and on which tracks."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Folders of runs, `pretrained` or `dreamt`, each with a name of yours before it if you like: full=runs/a z=runs/b.
    Runs of the same name, or that differ in nothing but the seed, are one group; the other groups are compared with
    that of the first run."""
    scores: Annotated[int | None, Ge(0), Le(100_000)] = None
    """Number of test tracks, drawn by Gymnasium, on which the agents' scores are compared. What `reverie evaluate` has
    kept is read, what is missing is driven and kept; 0 for no scores. Default: as many as all have been evaluated on,
    but 30 at least."""
    tracks: Annotated[int, Ge(3), Le(100_000)] = 200
    """Number of tracks for pictures and dreams, about 4 frames of each; from fewer than 3 no interval follows."""
    split: Literal["validation", "test"] = "validation"
    """Tracks of which seeds: test tracks are for final results only."""
    output: Path = Path("comparison")
    """Folder for comparison.json, comparison.md, comparison.png and scores.png."""
    workers: str = "-1"
    """Processes that drive; -1 for one a core, 0 for none but the main one."""
    quiet: bool = False
    """Show no progress."""
    json: bool = False
    """Print one JSON object (where everything was written) instead of the table."""


def main(verb: str, arguments: Sequence[str]) -> None:
    """Measures, writes, and prints the table."""
    description = (
        "Compare runs: the scores of their agents, how true V's pictures are and how its latents can be edited, and "
        "how true M's dreams are. Runs without M or C are compared in the rest."
    )
    args = parse(CompareArguments, arguments, verb, description)
    if len(args.runs) < 2:
        raise UserError("give two runs or more to compare", usage=True)
    if args.output.is_file():
        raise UserError(f"--output {args.output} is a file: name a folder", usage=True)
    from reverie.devices import chosen_device
    from reverie.measure.truth.judges import load_judges
    from reverie.run.folder import RunFolder
    from reverie.studies.compare import compare_runs
    from reverie.workers.make import make_workers, number_of
    from reverie.writing import require_writable

    require_writable(args.output)
    processes = number_of(args.workers)
    given, runs = zip(*map(named, args.runs), strict=True)
    runs = [RunFolder.open(name, args.device) for name in runs]
    for run in runs:
        run.require("vision")
        run.verify("vision")
    found = compare_runs(
        runs,
        load_judges(device=chosen_device(args.device)),
        args.output,
        tracks=args.tracks,
        split=args.split,
        workers=lambda: make_workers(processes),
        scores=args.scores,
        given=given,
        quiet=args.quiet,
    )
    if args.json:
        print_json({"runs": [run.name for run in runs], "numbers": str(found.numbers), "table": str(found.table)})
    else:
        say(found.text)
        pictures = f"{found.sheet}, {found.scores}" if found.scores else found.sheet
        say(f"numbers: {found.numbers}; table: {found.table}; pictures: {pictures}")
