"""`reverie dream`: see a dream beside the real drive, and how true it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from annotated_types import Ge, Gt, Le

from reverie.cli.arguments import DeviceArguments, Seed, WorldArguments, output_of, parse, print_json
from reverie.errors import UserError
from reverie.notes import say

if TYPE_CHECKING:
    from reverie.run.folder import RunFolder


@dataclass(frozen=True, kw_only=True)
class DreamArguments(WorldArguments, DeviceArguments):
    """Which run, from which drive, and how wild."""

    run: Annotated[str, tyro.conf.Positional]
    """Folder of a run, `pretrained` or `dreamt`."""
    track: Seed = 0
    """The real drive that the dream forks from: Gymnasium's reset(seed=track)."""
    seconds: Annotated[float, Gt(0), Le(3600)] = 20.0
    """Of the video; the real drive may end before."""
    temperature: Annotated[float, Ge(0)] = 1.0
    """Of the dream: 0 is M's heaviest guess, 1 what it believes, above 1 wilder."""
    seed: Seed = 0
    """Of chance in the dream."""
    controller: Path | None = None
    """Of the video: another controller of this run than the one it keeps, as RUN/evolution/current.safetensors, where
    the search ended, or is."""
    truth: bool = False
    """Measure how true the dreams are instead: state probe, rewards, ends, dreamt against real returns of many
    controllers, which states a dream is made of, and what comes after a failure. Minutes of driving: with the numbers
    below about 600,000 simulator frames."""
    drives: Annotated[int, Ge(2), Le(100_000)] = 100
    """With --truth: real drives to dream along."""
    driver: str | None = None
    """With --truth: whose agent drives half of them; a run, `pretrained` or `dreamt`. Default: this run's. M knows best
    how the agent drives that took part in its collecting (collect.agent)."""
    controllers: Annotated[int, Ge(4), Le(100_000)] = 24
    """With --truth: controllers of varied skill; half as many again are near the best."""
    tracks: Annotated[int, Ge(2), Le(100_000)] = 16
    """With --truth: real tracks, and dreams, of each controller."""
    above: float = 800.0
    """With --truth: the real return from which a controller is good; how dreams rank those is shown apart."""
    split: Annotated[str, tyro.conf.arg(metavar="{validation,test}")] = "validation"
    """With --truth: which held-out tracks."""
    output: Path | None = None
    """The video, an .mp4 (default RUN/videos/dream_TRACK.mp4), or with --truth a folder (default RUN/dream)."""
    quiet: bool = False
    """Show no progress."""
    json: bool = False
    """Print the result as one JSON object."""


def main(verb: str, arguments: Sequence[str]) -> None:
    """Writes a video, or measures."""
    args = parse(DreamArguments, arguments, verb, "See a dream beside the real drive, and measure how true it is.")
    _check(args)
    from reverie.run.folder import RunFolder

    run = RunFolder.open(args.run, args.device)
    if args.truth:
        _truth(args, run)
    else:
        _video(args, run)


def _check(args: DreamArguments) -> None:
    if not args.truth and args.output and args.output.suffix != ".mp4":
        raise UserError(f"--output {args.output}: give a name that ends in .mp4", usage=True)
    if args.truth and args.controller:
        raise UserError("--truth measures the run's own C: leave out --controller, or --truth", usage=True)
    if args.split not in ("validation", "test"):
        raise UserError(f"--split {args.split}: choose validation or test", usage=True)


def _video(args: DreamArguments, run: "RunFolder") -> None:
    from reverie.envs.registry import spec_of
    from reverie.show.dream_film import make_film, write_film
    from reverie.training.controller.rollouts import agent_of

    agent, params = agent_of(run, args.controller)
    env = run.config.env
    name = f"dream_{args.track}.mp4"
    path = output_of(run, args.output, run.videos / name)
    decisions = max(1, round(args.seconds * spec_of(env).decisions_per_second(env.action_repeat)))
    film = make_film(agent, params, env, args.track, decisions, args.temperature, args.seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    title = f"{run.name}, track {args.track}, temperature {args.temperature:g}, seed {args.seed}"
    write_film(path, film, env, title=title, quiet=args.quiet)
    real, same, own = (float(rew.sum()) for rew in film.rewards)
    if args.json:
        found = {"real_return": real, "same_actions_return": same, "own_return": own, "decisions": len(film.rewards[0])}
        print_json({"video": str(path), **found})
        return
    say(
        f"{path}: {len(film.rewards[0])} decisions; return on the road {real:.0f}, in the dream with the same actions "
        f"{same:.0f}, in the dream with the agent at its wheel {own:.0f}\n"
        "Told the same actions, M foresees the road for a while (`pretrained`: a third of a second), and then dreams "
        f"another one, which they do not fit: `reverie report {run.name}` measures for how long. Judge the dream by "
        "the last picture, in which the agent acts by what it sees there."
    )


def _truth(args: DreamArguments, run: "RunFolder") -> None:
    from reverie.run.folder import RunFolder
    from reverie.studies.dream_report import numbers_of, write_truth
    from reverie.studies.dream_truth import measure_truth
    from reverie.workers.make import make_workers

    folder = output_of(run, args.output, run.path / "dream")
    with make_workers(run.config.workers) as pool:
        truth = measure_truth(
            run,
            pool,
            driver=RunFolder.open(args.driver, args.device) if args.driver else run,
            drives=args.drives,
            controllers=args.controllers,
            tracks=args.tracks,
            above=args.above,
            seed=args.seed,
            test=args.split == "test",
            quiet=args.quiet,
        )
    text = write_truth(folder, run, truth, seed=args.seed, test=args.split == "test")
    if args.json:
        print_json({"folder": str(folder), **numbers_of(truth)})
    else:
        say(text)
        say(f"written to {folder}")
