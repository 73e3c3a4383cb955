"""`reverie compare`: what several runs see, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from annotated_types import Ge, Le

from reverie.cli.arguments import parse, print_json
from reverie.errors import UserError


@dataclass(frozen=True, kw_only=True)
class CompareArguments:
    """Which runs, and on which tracks."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Folders of runs, `pretrained` or `dreamt`. Runs that differ in nothing but the seed are one group; the other
    groups are compared with that of the first run."""
    tracks: Annotated[int, Ge(2), Le(100_000)] = 200
    """Number of tracks, about 4 frames of each."""
    split: Literal["validation", "test"] = "validation"
    """Tracks of which seeds: test tracks are for final results only."""
    output: Path = Path("comparison")
    """Folder for comparison.json, comparison.md and comparison.png."""
    quiet: bool = False
    """Show no progress."""
    json: bool = False
    """Print one JSON object (where everything was written) instead of the table."""


def main(verb: str, arguments: Sequence[str]) -> None:
    """Measures, writes, and prints the table."""
    description = (
        "Compare runs: how true V's pictures are and how its latents can be edited; for runs that have an M, how true "
        "their dreams are; for those that were evaluated, their scores."
    )
    args = parse(CompareArguments, arguments, verb, description)
    if len(args.runs) < 2:
        raise UserError("give two runs or more to compare", usage=True)
    if args.output.is_file():
        raise UserError(f"--output {args.output} is a file: name a folder", usage=True)
    from reverie.measure.truth.judges import load_judges
    from reverie.run.folder import RunFolder
    from reverie.studies.compare import compare_runs

    runs = [RunFolder.open(name) for name in args.runs]
    for run in runs:
        run.require("vision")
        run.verify("vision")
    found = compare_runs(runs, load_judges(), args.output, tracks=args.tracks, split=args.split, quiet=args.quiet)
    if args.json:
        print_json({"runs": [run.name for run in runs], "numbers": str(found.numbers), "table": str(found.table)})
    else:
        print(found.text)
        print(f"numbers: {found.numbers}; table: {found.table}; pictures: {found.sheet}")
