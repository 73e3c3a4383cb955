"""`reverie report`: a run as one page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from reverie.cli.arguments import WorldArguments, output_of, parse, print_json
from reverie.errors import UserError


@dataclass(frozen=True, kw_only=True)
class ReportArguments(WorldArguments):
    """Of which run, and where to."""

    run: Annotated[str, tyro.conf.Positional]
    """Folder of a run that has an agent, `pretrained` or `dreamt`."""
    output: Path | None = None
    """Where to write the page, an .html. Default: RUN/report.html, or NAME_report.html for a run that ships."""
    pictures: Path | None = None
    """Folder to write its pictures and its film to, too, as files for a text of your own."""
    quiet: bool = False
    """Show no progress."""
    json: bool = False
    """Print the result as one JSON object."""


def main(verb: str, arguments: Sequence[str]) -> None:
    """Writes the page, and says where."""
    description = (
        "A run as one page: what was done, what it sees, foresees and scores, and what it cost. Opens anywhere."
    )
    args = parse(ReportArguments, arguments, verb, description)
    if args.output and args.output.suffix != ".html":
        raise UserError(f"--output {args.output}: give a name that ends in .html", usage=True)
    if args.pictures and args.pictures.exists() and not args.pictures.is_dir():
        raise UserError(f"--pictures {args.pictures} is a file: name a folder", usage=True)
    from reverie.run.folder import RunFolder
    from reverie.studies.report import write_report

    run = RunFolder.open(args.run)
    path = args.output or output_of(run, run.report)
    write_report(run, path, pictures=args.pictures, quiet=args.quiet)
    if args.json:
        print_json({"run": run.name, "report": str(path), "bytes": path.stat().st_size})
    else:
        print(f"{path}: open it in a browser ({path.stat().st_size / 1e6:.1f} MB, needs nothing else)")
