"""A run as a program sees it: what it has learned, what was measured of it, its dream and its road."""

from pathlib import Path
from typing import Any, Literal

import gymnasium

from reverie.api.driver import Driver
from reverie.challenge import Challenge
from reverie.data.latents import LatentStore
from reverie.dream import DREAM_ID
from reverie.envs.registry import spec_of
from reverie.measure.score import Evaluation, test_seeds
from reverie.models.files import load_models
from reverie.models.mdn_rnn import Memory
from reverie.models.vision import Vision
from reverie.road import ROAD_ID
from reverie.run import evaluations
from reverie.run.folder import RunFolder
from reverie.run.recipe import RunConfig
from reverie.training.controller.rollouts import agent_of
from reverie.training.pipeline import evaluate_run
from reverie.types import Device
from reverie.workers.make import make_workers, number_of


class Run:
    """A run that was opened.

    >>> import reverie
    >>> run = reverie.load("pretrained")
    >>> run
    Run('pretrained')
    >>> run.config.env.id, run.config.env.action_repeat
    ('CarRacing-v3', 4)
    >>> round(run.score.mean), run.score.num_tracks
    (927, 100)
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        """All there is to know of it on disk."""

    def __repr__(self) -> str:
        return f"Run({self.name!r})"

    @property
    def name(self) -> str:
        """`pretrained`, or its folder as it was given."""
        return self.folder.name

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.folder.path

    @property
    def config(self) -> RunConfig:
        """Its settings, as its recipe has them."""
        return self.folder.config

    @property
    def score(self) -> Evaluation | None:
        """What was measured of its agent on the most test tracks; None where nothing was. `mean` and `returns` are in
        the environment's points, `ci95` is the 95% interval of the mean. Raises UserError where the file is damaged."""
        found = evaluations.score(self.folder)
        return None if found is None else evaluations.as_evaluation(found)

    @property
    def latents(self) -> LatentStore:
        """Its episodes as V sees them: `mu` and `logvar` (frames, z), `act` (decisions, a), `rew` (decisions,),
        `of_episode(i)` one by one. Raises UserError where there are none, as in the runs that ship."""
        return LatentStore(self.folder.latents)

    def models(self) -> tuple[Vision, Memory]:
        """V and M, as modules of PyTorch. Raises UserError where they are not finished, or damaged."""
        self.folder.require_models()
        vision, memory = load_models(self.path, self.folder.device)
        return vision.eval(), memory.eval()

    def agent(self) -> Driver:
        """V, M and C, ready to drive. Raises UserError where one is not finished, or damaged."""
        agent, params = agent_of(self.folder)
        env = self.config.env
        return Driver(agent, params, spec_of(env), env.action_repeat)

    def evaluate(
        self,
        tracks: int = 100,
        *,
        first_seed: int = 0,
        renderer: Literal["gymnasium", "fast"] = "gymnasium",
        challenge: Challenge | None = None,
        workers: int = -1,
        quiet: bool = False,
    ) -> Evaluation:
        """Scores the agent on test tracks, as `reverie evaluate` does, and keeps what it finds in the run, but for one
        that ships or was packed.

        Track i is Gymnasium's `reset(seed=first_seed + i)`; `renderer` draws what the agent sees, with a
        `challenge` otherwise than it knows it, which is another score (docs/car_racing.md); `workers` are
        processes, -1 for one a core, 0 for none but this one.

        Raises UserError where the agent is not finished, a seed is that of no test track, or workers are too many.
        """
        test_seeds(tracks, first_seed)
        self.folder.require_agent()
        agent = self.folder.agent_digest
        with make_workers(number_of(str(workers))) as made:
            found = evaluate_run(
                self.folder,
                made,
                num_tracks=tracks,
                first_seed=first_seed,
                renderer=renderer,
                challenge=challenge,
                quiet=quiet,
            )
        evaluations.keep(self.folder, found, agent)
        return found


def load(run: str | Path, device: Device = "cpu") -> Run:
    """Opens a run by its folder, or one that ships by its name: `pretrained` or `dreamt`; `device` is where its V and M
    compute (`auto`, `cpu`, `cuda`, `mps`).

    Raises UserError where there is none, or it is damaged, or the device is not there.

    >>> import reverie
    >>> reverie.load("nowhere")
    Traceback (most recent call last):
    ...
    reverie.errors.UserError: there is no run in nowhere: give the folder of a run, or make one with `reverie train`
    """
    return Run(RunFolder.open(run, device))


def make_dream(run: Run | str | Path, **options: Any) -> gymnasium.Env:
    """The run's dream as a Gymnasium environment, in which a step is one decision of the agent. `options` are those of
    `reverie/Dream-v0` (`reverie.dream.env.DreamEnv`): `observation`, `temperature`, `render_mode`, ...

    Raises UserError where the run cannot dream, or an option makes no sense.

    >>> import reverie
    >>> dream = reverie.make_dream("pretrained", observation="frame")
    >>> obs, _ = dream.reset(seed=0)
    >>> reverie.load("pretrained").agent().act(obs).shape
    (3,)
    """
    return _make(DREAM_ID, run, options)


def make_road(run: Run | str | Path, **options: Any) -> gymnasium.Env:
    """The run's real world as a Gymnasium environment, with the spaces of its dream: a step is one decision, which is
    several frames of the simulator. `options` are those of `reverie/Road-v0` (`reverie.road.env.RoadEnv`).

    Raises UserError where the run has no V or M, or an option makes no sense.

    >>> import reverie
    >>> road = reverie.make_road("pretrained", observation="frame")
    >>> obs, info = road.reset(options={"track": 7})
    >>> obs.shape, info
    ((64, 64, 3), {'track': 7})
    """
    return _make(ROAD_ID, run, options)


def _make(name: str, run: Run | str | Path, options: dict[str, Any]) -> gymnasium.Env:
    return gymnasium.make(name, run=run.name if isinstance(run, Run) else str(run), **options)
