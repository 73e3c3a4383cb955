"""`reverie report`: a run as one page, or several side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from reverie.cli.arguments import WorldArguments, named, output_of, parse, print_json
from reverie.errors import UserError
from reverie.notes import say


@dataclass(frozen=True, kw_only=True)
class ReportArguments(WorldArguments):
    """Of which runs, and where to."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Folder of a run that has an agent, `pretrained` or `dreamt`. Several are put side by side, each with a name of
    yours before it if you like: full=runs/a z=runs/b."""
    output: Path | None = None
    """Where to write the page, an .html. Default: RUN/report.html, or NAME_report.html for a run that is only read; of
    several runs report.html."""
    pictures: Path | None = None
    """Folder to write its pictures and its film to, too, as files for a text of your own."""
    quiet: bool = False
    """Show no progress."""
    json: bool = False
    """Print the result as one JSON object."""


def main(verb: str, arguments: Sequence[str]) -> None:
    """Writes the page, and says where."""
    description = (
        "A run as one page: what was done, what it sees, foresees and scores, and what it cost; or several runs side "
        "by side. Opens anywhere."
    )
    args = parse(ReportArguments, arguments, verb, description)
    if args.output and args.output.suffix != ".html":
        raise UserError(f"--output {args.output}: give a name that ends in .html", usage=True)
    if args.pictures and args.pictures.exists() and not args.pictures.is_dir():
        raise UserError(f"--pictures {args.pictures} is a file: name a folder", usage=True)
    if not args.runs:
        raise UserError(
            f"which run? Give its folder, `pretrained` or `dreamt`; see `reverie {verb} --help`", usage=True
        )
    from reverie.run.folder import RunFolder
    from reverie.studies.report import write_report
    from reverie.studies.report_several import write_side_by_side
    from reverie.writing import require_writable

    given, folders = zip(*map(named, args.runs), strict=True)
    runs = [RunFolder.open(name, "cpu") for name in folders]
    if len(runs) == 1:
        path = output_of(runs[0], args.output, runs[0].report)
        write_report(runs[0], path, pictures=args.pictures, quiet=args.quiet)
        found = {"run": runs[0].name}
    else:
        path = args.output or Path("report.html")
        require_writable(path)
        write_side_by_side(runs, path, given=given, pictures=args.pictures)
        found = {"runs": [run.name for run in runs]}
    if args.json:
        print_json({**found, "report": str(path), "bytes": path.stat().st_size})
    else:
        say(f"{path}: open it in a browser ({path.stat().st_size / 1e6:.1f} MB, needs nothing else)")
