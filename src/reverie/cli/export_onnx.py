"""`reverie export onnx`: V, M and C as ONNX files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from reverie.cli.arguments import output_of, parse, print_json
from reverie.notes import say


@dataclass(frozen=True, kw_only=True)
class OnnxArguments:
    """Which run, and where to."""

    run: Annotated[str, tyro.conf.Positional]
    """Folder of a run, `pretrained` or `dreamt`."""
    out: Path | None = None
    """Folder for the files (default RUN/onnx): encoder, decoder, memory (memory.1, ... for further members of an
    ensemble), controller, and card.json, which says what goes in and comes out."""
    json: bool = False
    """Print the card."""


def main(verb: str, arguments: Sequence[str]) -> None:
    """Writes the files, and says how far they are from torch."""
    args = parse(OnnxArguments, arguments, verb, "V, M and C as ONNX files, each compared with torch by onnxruntime.")
    from reverie.run.folder import RunFolder
    from reverie.web.onnx import CARD, export_onnx

    run = RunFolder.open(args.run)
    folder = output_of(run, args.out, run.path / "onnx")
    card = export_onnx(run, folder)
    if args.json:
        print_json(card)
        return
    say("largest difference between torch and onnxruntime, by the size of the batch")
    for name, file in card["files"].items():
        size = (folder / name).stat().st_size
        say(f"{folder / name}  {size:,} bytes")
        for output in file["outputs"]:
            errors = (f"{error[output]:.1e} ({b})" for b, error in file["largest_error"].items())
            say(f"  {output:<9} {', '.join(errors)}")
    say(str(folder / CARD))
