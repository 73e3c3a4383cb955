"""`reverie evaluate`: the score of an agent on held-out tracks."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

import tyro

from reverie.challenge import Challenge
from reverie.cli.arguments import DriverArguments, parse, print_json
from reverie.notes import say


@dataclass(frozen=True, kw_only=True)
class EvaluateArguments(DriverArguments):
    """Which agent, and on which tracks."""

    run: Annotated[str, tyro.conf.Positional]
    """Folder of a run, `pretrained` or `dreamt`."""
    tracks: int = 100
    """Number of test tracks."""
    first_seed: int = 0
    """Track i is Gymnasium's reset(seed=first_seed + i); seeds below 500000 are test tracks."""
    renderer: Literal["gymnasium", "fast"] = "gymnasium"
    """Who draws what the agent sees: Gymnasium itself, or Reverie's fast rasteriser."""
    challenge: Challenge | None = None
    """Show the road otherwise than the agent has learned it: brighter or darker (`colour`), in other colours
    (`colour3`), between black bars (`bars`), with a red blob beside the car (`blob`), with noise for the ground
    (`noise`), or with half of the frames lost (`frames`). See docs/car_racing.md."""
    workers: str = "-1"
    """Processes; -1 for one a core, 0 for none but the main one; or `dask`."""
    scheduler: str | None = None
    """With --workers dask: the address of the Dask scheduler, tls://HOST:PORT, or `local`."""
    quiet: bool = False
    """Show no progress."""
    json: bool = False
    """Print the result as one JSON object."""


def main(verb: str, arguments: Sequence[str]) -> None:
    """Drives the tracks and prints the score."""
    args = parse(
        EvaluateArguments,
        arguments,
        verb,
        "Score an agent: mean return over test tracks, with a 95% interval. "
        "What is measured is kept in the run, but for plans and other controllers.",
    )
    from reverie.measure.score import test_seeds
    from reverie.run.evaluations import keep
    from reverie.run.folder import RunFolder
    from reverie.training.pipeline import evaluate_run
    from reverie.workers.make import make_workers, number_of, scheduler_of

    scheduler = scheduler_of(args.workers, args.scheduler)
    test_seeds(args.tracks, args.first_seed)
    plan, run = args.planning, RunFolder.open(args.run, args.device)
    if not plan and not args.controller:
        run.require_agent()
    agent = "" if plan or args.controller else run.agent_digest
    with make_workers(number_of(args.workers) if scheduler is None else 0, scheduler) as workers:
        evaluation = evaluate_run(
            run,
            workers,
            num_tracks=args.tracks,
            first_seed=args.first_seed,
            renderer=args.renderer,
            plan=plan,
            controller=args.controller,
            challenge=args.challenge,
            quiet=args.quiet,
        )
    where = keep(run, evaluation, agent) if agent else None
    if args.json:
        print_json(asdict(evaluation))
    else:
        say(evaluation.text() + (f"; kept in {where}" if where else ""))
