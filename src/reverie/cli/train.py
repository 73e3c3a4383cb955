"""`reverie train`: the whole pipeline."""

from collections.abc import Sequence

from reverie.cli.arguments import StageArguments, parse, print_json


def main(verb: str, arguments: Sequence[str]) -> None:
    """Runs every stage that is not finished, then says what came of it."""
    description = "From nothing to a driving agent: every stage in order. Continues a run that was cut."
    args = parse(StageArguments, arguments, verb, description)
    from reverie.run.stages import STAGES
    from reverie.training.pipeline import run_stages
    from reverie.training.summary import show, summarise

    run = args.open(STAGES[0])
    if args.again:
        run_stages(run, STAGES[:1], again=True, force=args.force, scheduler=args.dask, quiet=args.quiet)
    run_stages(run, force=args.force, scheduler=args.dask, quiet=args.quiet)
    if args.json:
        print_json(summarise(run))
    else:
        show(run)
