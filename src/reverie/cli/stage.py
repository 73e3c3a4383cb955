"""`reverie vision|encode|memory|controller`: one stage alone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

from reverie.cli.arguments import StageArguments, parse, print_json
from reverie.errors import UserError
from reverie.notes import say

if TYPE_CHECKING:
    from reverie.run.folder import RunFolder

DESCRIPTIONS = {
    "vision": "Train V, a VAE or a VAE/GAN (vision.model), on the collected frames.",
    "encode": "Let V turn every collected frame into a latent distribution.",
    "memory": "Train M, the LSTM with a mixture-density head, on the encoded episodes.",
    "controller": "Let C, the controller, learn to drive (controller.learner says how).",
}


@dataclass(frozen=True, kw_only=True)
class FitArguments(StageArguments):
    """Which run, and with what settings."""

    continue_: Annotated[int, tyro.conf.arg(name="continue")] = 0
    """Go on with a finished fit for so many more epochs (vision) or steps (memory), from its weights and its
    optimiser's state; what was made from it before is thrown away. The learning rate follows its schedule over the new
    length."""


@dataclass(frozen=True, kw_only=True)
class ControllerArguments(StageArguments):
    """Which run, and with what settings."""

    init_from: str | None = None
    """Begin at a controller that was made for the same V and M, instead of at zero: the folder of its run, or a file
    such as runs/NAME/evolution/best.safetensors."""


def main(verb: str, arguments: Sequence[str]) -> None:
    """Runs the stage that is called like the verb."""
    kinds = {"vision": FitArguments, "memory": FitArguments, "controller": ControllerArguments}
    kind = kinds.get(verb, StageArguments)
    args = parse(kind, arguments, verb, f"{DESCRIPTIONS[verb]} Continues where it was cut.")
    more = args.continue_ if isinstance(args, FitArguments) else 0
    if more < 0:
        raise UserError(f"--continue {more}: give more than 0", usage=True)
    if more and args.again:
        raise UserError("--continue goes on with what there is, --again throws it away: choose one", usage=True)
    overrides = []
    if isinstance(args, ControllerArguments) and args.init_from is not None:
        overrides.append(f"controller.search.start.init_from={json.dumps(args.init_from, ensure_ascii=False)}")
    run_stage(verb, args.open(verb, *overrides), args, more)


def run_stage(name: str, run: "RunFolder", args: StageArguments, more: int = 0) -> None:
    """Runs a stage if it is not finished, and prints what the manifest says of it."""
    from reverie.run.stages import CHECKSUMS
    from reverie.training.pipeline import run_stages

    run_stages(run, (name,), again=args.again, more=more, force=args.force, scheduler=args.dask, quiet=args.quiet)
    facts = run.stage(name)
    if args.json:
        print_json({"run": str(run.path), "stage": name, **facts})
    else:
        told = {
            key: value for key, value in facts.items() if key not in ("status", *CHECKSUMS) and value not in ("", None)
        }
        shown = "  ".join(f"{key} {value}" for key, value in told.items())
        say(f"{run.path}: {name} is done  {shown}")
