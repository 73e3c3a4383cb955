"""`reverie export web`: runs as a page for a browser."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from reverie.cli.arguments import WorldArguments, parse, print_json
from reverie.errors import UserError
from reverie.notes import say


@dataclass(frozen=True, kw_only=True)
class WebArguments(WorldArguments):
    """Which runs, and where to."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Folders of runs, `pretrained` or `dreamt`. The page begins with the first."""
    out: Path = Path("dream.html")
    """A file that ends in .html holds everything, and opens from the disk. Anything else is a folder for a server: its
    index.html loads each run when it is chosen."""
    json: bool = False
    """Print one JSON object."""


def main(verb: str, arguments: Sequence[str]) -> None:
    """Writes the page, and says how large it is."""
    args = parse(WebArguments, arguments, verb, "The dream, and the road beside it, as a page that needs no server.")
    if not args.runs:
        raise UserError(
            f"which runs? Give their folders, `pretrained` or `dreamt`; see `reverie {verb} --help`", usage=True
        )
    is_file = args.out.suffix == ".html"
    if args.out.exists() and args.out.is_dir() == is_file:
        wanted = "a folder, and a file was asked for" if is_file else "a file, and a folder was asked for"
        raise UserError(f"--out {args.out} is {wanted}: choose another name", usage=True)
    from reverie.run.folder import RunFolder
    from reverie.web.page import ROAD, write_folder, write_page

    runs = [RunFolder.open(name) for name in args.runs]
    (write_page if is_file else write_folder)(args.out, runs)
    page = args.out if is_file else args.out / "index.html"
    if args.json:
        print_json({"page": str(page), "bytes": page.stat().st_size, "road": ROAD.exists()})
        return
    say(f"{page}  {page.stat().st_size:,} bytes; open it in a browser")
    if not ROAD.exists():
        say("the dream is alone in it: `make web` builds the road, then export again")
