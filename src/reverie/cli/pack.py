"""`reverie pack`: an agent as one file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from reverie.cli.arguments import WorldArguments, parse, print_json
from reverie.errors import UserError
from reverie.notes import say


@dataclass(frozen=True, kw_only=True)
class PackArguments(WorldArguments):
    """Whose agent, and where to."""

    run: Annotated[str, tyro.conf.Positional]
    """Folder of a run that has an agent, `pretrained` or `dreamt`."""
    out: Path = Path("agent.zip")
    """The archive, a .zip."""
    license: str | None = None
    """Under which licence you hand it on, as SPDX calls it (MIT, CC-BY-4.0); its card says so."""
    json: bool = False
    """Print one JSON object."""


def main(verb: str, arguments: Sequence[str]) -> None:
    """Writes the archive, and says how large it is."""
    description = (
        "An agent as one file: V, M and C, recipe, scores, checksums and a card. Every verb that takes a run reads it."
    )
    args = parse(PackArguments, arguments, verb, description)
    if args.out.suffix != ".zip":
        raise UserError(f"--out {args.out}: give a name that ends in .zip", usage=True)
    if args.out.is_dir():
        raise UserError(f"--out {args.out} is a folder: choose another name", usage=True)
    from reverie.checkpoint import file_sha256
    from reverie.run.folder import RunFolder
    from reverie.studies.pack import pack

    pack(RunFolder.open(args.run), args.out, licence=args.license)
    size, sha256 = args.out.stat().st_size, file_sha256(args.out)
    if args.json:
        print_json({"archive": str(args.out), "bytes": size, "sha256": sha256})
    else:
        say(f"{args.out}: {size / 1e6:.1f} MB, SHA-256 {sha256}; try it with `reverie watch {args.out}`")
