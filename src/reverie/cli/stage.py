"""`reverie vision|encode|memory|controller`: one stage alone."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reverie.cli.arguments import StageArguments, parse, print_json

if TYPE_CHECKING:
    from reverie.run_folder import RunFolder

DESCRIPTIONS = {
    "vision": "Train V, the variational autoencoder, on the collected frames.",
    "encode": "Let V turn every collected frame into a latent distribution.",
    "memory": "Train M, the LSTM with a mixture-density head, on the encoded episodes.",
    "controller": "Evolve C, the controller, by CMA-ES on the return of training tracks.",
}


def main(verb: str, arguments: Sequence[str]) -> None:
    """Runs the stage that is called like the verb."""
    args = parse(StageArguments, arguments, verb, f"{DESCRIPTIONS[verb]} Continues where it was cut.")
    run_stage(verb, args.open(), args)


def run_stage(name: str, run: "RunFolder", args: StageArguments) -> None:
    """Runs a stage if it is not finished, and prints what the manifest says of it."""
    from reverie.training.pipeline import run_stages

    run_stages(run, (name,), again=args.again, quiet=args.quiet)
    facts = run.stage(name)
    if args.json:
        print_json({"run": str(run.path), "stage": name, **facts})
    else:
        shown = "  ".join(f"{key} {value}" for key, value in facts.items() if key not in ("status", "files"))
        print(f"{run.path}: {name} is done  {shown}")
