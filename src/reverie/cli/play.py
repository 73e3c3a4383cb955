"""`reverie play`: drive yourself, on the real road or in the dream."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro
from annotated_types import Ge

from reverie.cli.arguments import Seed, parse
from reverie.errors import UserError


@dataclass(frozen=True, kw_only=True)
class PlayArguments:
    """Which run, and where to begin."""

    run: Annotated[str, tyro.conf.Positional]
    """Folder of a run that has V and M, `pretrained` or `dreamt`."""
    dream: bool = False
    """Begin in a dream, at a moment of the driving that M learned from."""
    real: bool = False
    """Begin on the real road, which is the default."""
    track: Seed = 0
    """The real road: Gymnasium's reset(seed=track); seeds below 500000 are test tracks."""
    temperature: Annotated[float, Ge(0)] = 1.0
    """Of the dream: 1 is what M believes, 0 its heaviest guess, above 1 the dream is wilder."""
    seed: Seed = 0
    """Of chance in the dream."""
    autopilot: bool = False
    """Let the run's controller drive at first."""


def main(verb: str, arguments: Sequence[str]) -> None:
    """Opens the window, until the player has had enough."""
    description = (
        "Drive with the keyboard, in a window: arrows, WASD or digits. M or TAB goes from the real road into the dream "
        "and back, at the same moment; C lets the run's controller drive; + and - change the dream's temperature; R "
        "begins anew, SPACE pauses, ESC ends."
    )
    args = parse(PlayArguments, arguments, verb, description)
    if args.dream and args.real:
        raise UserError("--dream and --real exclude each other: give one", usage=True)
    from reverie.agent import Agent
    from reverie.dream.moments import load_moments
    from reverie.envs.registry import spec_of
    from reverie.models.controller import Controller, ControllerConfig
    from reverie.models.files import check_made_for, load_controller, load_models
    from reverie.play.session import Session
    from reverie.play.window import INSTEAD, play
    from reverie.run.folder import RunFolder
    from reverie.show.episode_film import require_screen

    run = RunFolder.open(args.run)
    for stage in ("vision", "memory"):
        run.require(stage)
        run.verify(stage)
    require_screen(INSTEAD)
    vision, memory = load_models(run.path)
    if run.is_done("controller"):
        run.verify("controller")
        controller, params = load_controller(run.controller)
        check_made_for(run.controller, run.path)
    else:  # there is nobody at the wheel but the player
        actions = spec_of(run.config.env).actions
        controller, params = Controller(ControllerConfig(), memory.z_size, memory.config.hidden_size, actions), None
    moments = load_moments(run.dream, run.memory)[0] if args.dream or run.dream.exists() else None
    session = Session(
        Agent(vision, memory, controller, run.config.agent),
        params,
        moments,
        run.config.env,
        mode="dream" if args.dream else "real",
        track=args.track,
        temperature=args.temperature,
        seed=args.seed,
    )
    if args.autopilot:
        session.press("autopilot")
    play(session)
