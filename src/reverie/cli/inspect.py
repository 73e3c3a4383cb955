"""`reverie inspect`: see what V has learned."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from annotated_types import Ge, Le

from reverie.cli.arguments import DeviceArguments, Seed, output_of, parse, print_json
from reverie.errors import UserError
from reverie.notes import console, say

if TYPE_CHECKING:
    from reverie.measure.vision.arithmetic import Arithmetic


@dataclass(frozen=True, kw_only=True)
class InspectArguments(DeviceArguments):
    """Whose V, on which frames, and where to put the pictures."""

    run: Annotated[str, tyro.conf.Positional]
    """Folder of a run, `pretrained` or `dreamt`."""
    output: Path | None = None
    """Folder for pictures and numbers. Default: RUN/inspect, or NAME_inspect for a run that is only read."""
    dims: tuple[int, int] | None = None
    """Two dimensions of the latent for the grid. Default: the two most informative ones."""
    tracks: Annotated[int, Ge(1), Le(100_000)] = 60
    """Number of tracks that is measured on, about 4 frames of each; as many others choose the scales."""
    split: Literal["validation", "test"] = "validation"
    """Tracks of which seeds: test tracks are for final results only."""
    seed: Seed = 0
    """Draws tracks, places on them, and samples."""
    quiet: bool = False
    """Show no progress."""
    json: bool = False
    """Print the result as one JSON object."""


def main(verb: str, arguments: Sequence[str]) -> None:
    """Writes the pictures and arithmetic.json, and says what the arithmetic came to."""
    description = "See what V has learned: latents, edits, samples, and arithmetic with attributes. Needs V alone."
    args = parse(InspectArguments, arguments, verb, description)
    if args.output and args.output.exists() and not args.output.is_dir():
        raise UserError(f"--output {args.output} is a file: name a folder", usage=True)
    from reverie.devices import chosen_device
    from reverie.measure.truth.judges import load_judges
    from reverie.run.folder import RunFolder
    from reverie.studies.inspect import inspect_run

    run = RunFolder.open(args.run, args.device)
    run.require("vision")
    run.verify("vision")
    output = output_of(run, args.output, run.path / "inspect")
    found = inspect_run(
        run,
        load_judges(device=chosen_device(args.device)),
        output,
        tracks=args.tracks,
        split=args.split,
        dims=args.dims,
        seed=args.seed,
        quiet=args.quiet,
    )
    if args.json:
        paths = {"pictures": [str(path) for path in found.pictures], "numbers": str(found.numbers)}
        print_json({"run": run.name, "split": args.split, **paths, "arithmetic": asdict(found.arithmetic)})
    else:
        _show(found.arithmetic)
        say(f"{run.name}: {len(found.pictures)} pictures and {found.numbers.name} in {output}")


def _show(arithmetic: "Arithmetic") -> None:
    from rich.table import Table

    say("shares of n frames flipped, of other verdicts kept, [95% interval]; random: both for random vectors")
    table = Table("attribute", "vector", "s", "flipped", "kept", "random", "n/tracks", box=None, pad_edge=False)
    for score in arithmetic.scores:
        table.add_row(
            score.attribute,
            score.vector,
            f"{score.scale:g}",
            _rate(score.edit.flip, score.flip_ci95),
            _rate(score.edit.keep, score.keep_ci95),
            f"{_rate(score.random.flip)}/{_rate(score.random.keep)}",
            f"{score.num_frames}/{score.num_tracks}",
        )
    console().print(table)


def _rate(rate: float | None, interval: tuple[float, float] | None = None) -> str:
    around = f" [{100 * interval[0]:.0f},{100 * interval[1]:.0f}]" if interval else ""
    return "none" if rate is None else f"{100 * rate:.0f}%{around}"
