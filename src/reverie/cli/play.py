"""`reverie play`: drive yourself, on the real road or in the dream."""

import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from annotated_types import Ge, Le

from reverie.cli.arguments import Seed, WorldArguments, parse
from reverie.errors import UserError, require_extra
from reverie.notes import say

if TYPE_CHECKING:
    from reverie.play.session import Session
    from reverie.run.folder import RunFolder
    from reverie.web.newest import Newest


@dataclass(frozen=True, kw_only=True)
class PlayArguments(WorldArguments):
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
    web: bool = False
    """Drive in a browser instead of a window: it is served on this machine alone, at an address that is printed, and
    follows the newest C while the run trains. Needs `pip install 'reverie[web]'`."""
    port: Annotated[int | None, Ge(1), Le(65535)] = None
    """With --web: where to listen. Default: any port that is free."""
    no_browser: bool = False
    """With --web: only print the address, and open no browser."""


def main(verb: str, arguments: Sequence[str]) -> None:
    """Opens the window, or serves the page, until the player has had enough."""
    description = (
        "Drive with the keyboard, in a window: arrows, WASD or digits. M or TAB goes from the real road into the dream "
        "and back, at the same moment; C lets the run's controller drive; + and - change the dream's temperature; R "
        "begins anew, SPACE pauses, ESC ends. With --web the same in a browser, where Ctrl-C ends."
    )
    args = parse(PlayArguments, arguments, verb, description)
    if args.dream and args.real:
        raise UserError("--dream and --real exclude each other: give one", usage=True)
    if not args.web and (args.port or args.no_browser):
        raise UserError("--port and --no-browser say how a page is served: give --web, too", usage=True)
    if args.web:
        require_extra("web", ("starlette", "uvicorn", "websockets"), "--web")
    from reverie.run.folder import RunFolder
    from reverie.show.episode_film import require_screen
    from reverie.web.newest import Newest

    run = RunFolder.open(args.run)
    newest = Newest(run.path)
    if args.web:
        _serve(run, newest, args)
        return
    from reverie.play.window import INSTEAD, play

    require_screen(INSTEAD)
    play(_sessions(run, newest, args)())


def _sessions(run: "RunFolder", newest: "Newest", args: PlayArguments) -> "Callable[[], Session]":
    """What begins a drive, as often as it is asked, with C as it is then."""
    from reverie.agent import Agent
    from reverie.dream.moments import load_moments
    from reverie.envs.registry import spec_of
    from reverie.models.controller import Controller, ControllerConfig
    from reverie.models.files import load_models
    from reverie.play.session import Session

    vision, memory = load_models(run.path)
    # Before there is a C, nobody is at the wheel but the player.
    nobody = Controller(ControllerConfig(), memory.z_size, memory.config.hidden_size, spec_of(run.config.env).actions)
    moments = load_moments(run.dream, run.memory)[0] if args.dream or run.dream.exists() else None
    agent = Agent(vision, memory, nobody, run.config.agent)

    def begin() -> Session:
        agent.controller = newest.controller or nobody
        session = Session(
            agent,
            newest.params,
            moments,
            run.config.env,
            mode="dream" if args.dream else "real",
            track=args.track,
            temperature=args.temperature,
            seed=args.seed,
        )
        if args.autopilot:
            session.press("autopilot")
        return session

    return begin


def _serve(run: "RunFolder", newest: "Newest", args: PlayArguments) -> None:
    """Serves the page, or where no page can run the world its sessions, until somebody presses Ctrl-C."""
    from reverie.web.followed import Followed, runs_in_a_page
    from reverie.web.server import serving
    from reverie.web.sessions import Sessions
    from reverie.web.worker import Worker

    worker, link = Worker(), ""
    if newest.file and runs_in_a_page(run):
        site = Followed(run, newest, worker)
        link = f"#track={args.track}&temperature={args.temperature:g}&seed={args.seed}"
    else:
        site = Sessions(Path(run.name).name, _sessions(run, newest, args), newest, worker)
    with serving(site.routes, args.port or 0) as server:
        say(f"{run.name} in a browser, for this machine alone (Ctrl-C ends):\n{server.address}{link}", flush=True)
        if not args.no_browser:
            webbrowser.open(server.address_once + link)
        server.join()
