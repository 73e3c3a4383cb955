"""`reverie watch`: see an agent drive."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro

from reverie.cli.arguments import DriverArguments, Seed, output_of, parse, print_json
from reverie.errors import UserError
from reverie.notes import say


@dataclass(frozen=True, kw_only=True)
class WatchArguments(DriverArguments):
    """Which agent, on which track, and where to show it."""

    run: Annotated[str, tyro.conf.Positional]
    """Folder of a run, `pretrained` or `dreamt`."""
    track: Seed = 0
    """The track: Gymnasium's reset(seed=track); seeds below 500000 are test tracks."""
    output: Path | None = None
    """Where to write the video, an .mp4. Default: RUN/videos/track_SEED.mp4, or planned_SEED.mp4."""
    window: bool = False
    """Open Gymnasium's window instead of writing a video."""
    quiet: bool = False
    """Show no progress."""
    json: bool = False
    """Print the result as one JSON object."""


def main(verb: str, arguments: Sequence[str]) -> None:
    """Drives one track, into a video or a window, and says what came of it."""
    description = "See an agent drive one track: a video beside what V sees and what M expects, or a window."
    args = parse(WatchArguments, arguments, verb, description)
    if args.window and args.output:
        raise UserError("--window writes no video: leave out --output, or --window", usage=True)
    if args.output and args.output.suffix != ".mp4":
        raise UserError(f"--output {args.output}: give a name that ends in .mp4", usage=True)
    from reverie.policies import ExactPolicy
    from reverie.run.folder import RunFolder
    from reverie.show.episode_film import record, show_window
    from reverie.training.controller.rollouts import agent_of, planning_agent

    plan, run = args.planning, RunFolder.open(args.run, args.device)
    if plan:
        agent, params, make = planning_agent(run, plan)
        driver = make(agent, params[None])
    else:
        agent, params = agent_of(run, args.controller)
        driver = ExactPolicy(agent, params[None])
    config, path = run.config.env, None
    if args.window:
        drive = show_window(driver, config, args.track, quiet=args.quiet)
    else:
        path = output_of(run, args.output, run.videos / f"{'planned' if plan else 'track'}_{args.track}.mp4")
        title = f"{Path(run.name).name}{', planned,' if plan else ''} on track {args.track}"
        drive = record(path, driver, config, args.track, title=title, quiet=args.quiet)
    if args.json:
        print_json({"run": run.name, "video": str(path) if path else None, **asdict(drive)})
    else:
        where = f"; video: {path}" if path else ""
        ended = "ended by the environment" if drive.terminated else "to the time limit"
        say(f"{run.name}: track {args.track}, return {drive.ret:.1f}, {drive.frames} frames, {ended}{where}")
