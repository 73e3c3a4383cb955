"""The search for C as it is kept on disk: strategy, history, the centers that were evaluated."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from reverie import checkpoint
from reverie.checkpoint import file_sha256
from reverie.data.latents import LatentStore
from reverie.data.store import EpisodeStore
from reverie.errors import UserError
from reverie.evolution.recorded import Recorded
from reverie.evolution.strategies import make_strategy
from reverie.models.controller import Controller
from reverie.models.files import CONTROLLER, agent_folder, check_made_for, load_controller, load_memory, save_controller
from reverie.notes import note
from reverie.progress import Progress
from reverie.run.folder import RunFolder, collecting_agent
from reverie.run.search import FinalsConfig
from reverie.seeding import generator, torch_generator
from reverie.training.controller.finals import finalists
from reverie.training.controller.imitation import actions_of, imitated, latent_episodes, sights_of, some_episodes
from reverie.training.controller.log import write_log
from reverie.training.controller.search_space import SearchSpace, principal_basis
from reverie.training.identity import identity, require_own

COLUMNS = (
    *("generation", "hours", "mean_return", "min_return", "max_return", "std_return", "sigma", "mean_steps"),
    *("frames", "decisions", "dreamt", "exploits", "tracks", "episodes", "signal", "noise", "seconds"),
    "eval_mean_return",
)
"""Of log.csv, those of the published logs first."""


def made_of(run: RunFolder) -> dict[str, Any]:
    """What the state of a learner follows from."""
    return identity(run, "controller", vision=file_sha256(run.vision), memory=file_sha256(run.memory))


def anew_of(run: RunFolder) -> str:
    """How to begin a learner again."""
    return f"`reverie controller --run {run.path} --again`"


SEARCH_STATE = "state.safetensors"
"""In the folder of a run's search: all that it takes to continue it, and to find each of its centers again."""


class Evolution:
    """The state of the search: saved and loaded as one file."""

    def __init__(self, run: RunFolder, controller: Controller, *, quiet: bool = True) -> None:
        self._run, self._controller = run, controller
        self.path = run.evolution / SEARCH_STATE
        self.history: list[dict[str, Any]] = []
        """A row for each generation; the columns of log.csv."""
        self.evaluated: list[np.ndarray] = []
        """The centers (x,) that were evaluated; their scores stand in the history."""
        self._of = made_of(run)
        if self.path.exists():
            self._load(quiet)
        else:
            self.space = search_space(run, controller, quiet=quiet)
            self.strategy = self._new_strategy()

    @property
    def generation(self) -> int:
        """Generations done."""
        return len(self.history)

    @property
    def scores(self) -> list[float]:
        """Of the evaluated centers, on the same validation tracks for all."""
        return [row["eval_mean_return"] for row in self.history if row["eval_mean_return"] is not None]

    @property
    def best(self) -> np.ndarray:
        """The evaluated center with the best score (x,)."""
        return self.evaluated[int(np.argmax(self.scores))]

    def finalists(self, config: FinalsConfig) -> np.ndarray:
        """Centers worth a longer look (f, x)."""
        return finalists(np.array(self.evaluated), np.array(self.scores), config)

    def total(self, key: str) -> float:
        """Sum of a column of the history."""
        return sum(row[key] for row in self.history)

    def _new_strategy(self) -> Recorded:
        config = self._run.config
        rng = generator(config.seed, "controller", "strategy")
        return make_strategy(config.controller.search.strategy, self.space.num_coordinates, rng)

    def params_after(self, generations: Sequence[int]) -> np.ndarray:
        """The center's parameters after each of `generations` (n,) -> (n, p), by running the search again without
        driving."""
        strategy = self._new_strategy()
        centers: dict[int, np.ndarray] = {}
        strategy.load_state(*self.strategy.state(), lambda done: centers.__setitem__(done, strategy.center))
        return self.space.params(np.stack([centers[generation] for generation in generations]))

    def save(self) -> None:
        """Replaces the state, and log.csv, which has the columns of the published logs."""
        arrays, values = self.strategy.state()
        arrays = {f"strategy.{key}": value for key, value in arrays.items()}
        arrays["evaluated"] = np.array(self.evaluated).reshape(-1, self.space.num_coordinates)
        arrays |= self.space.arrays()
        checkpoint.save(self.path, arrays, {"strategy": values, "history": self.history, "of": self._of})
        write_log(self.path.with_name("log.csv"), self.history, COLUMNS)

    def save_controllers(self, **made_with: str) -> None:
        """Writes the best evaluated center and the current one as controllers, which can be watched meanwhile."""
        for name, center in (("best", self.best), ("current", self.strategy.center)):
            path, params = self._run.evolution / f"{name}.safetensors", self.space.params(center[None])[0]
            save_controller(path, self._controller, params, **made_with)

    def _load(self, quiet: bool) -> None:
        tensors, meta = checkpoint.load(self.path)
        require_own(self.path, meta.get("of"), self._of, anew := anew_of(self._run))
        with checkpoint.as_written(self.path, anew):
            self._take(tensors, meta, quiet)

    def _take(self, tensors: dict[str, Tensor], meta: dict[str, Any], quiet: bool) -> None:
        """Goes on from what `save` wrote."""
        arrays = {key: tensor.numpy() for key, tensor in tensors.items()}
        self.history = meta["history"]
        if "space.origin" not in arrays or len(arrays["evaluated"]) != len(self.scores):
            raise UserError(f"{self.path} was written by an earlier version: begin the search again (`--again`)")
        self.evaluated = list(arrays.pop("evaluated"))
        self.space = SearchSpace.taken_from(arrays)
        self.strategy = self._new_strategy()
        arrays = {key.removeprefix("strategy."): value for key, value in arrays.items()}
        with Progress("replay", len(self.history), "generations", quiet=quiet) as bar:
            self.strategy.load_state(arrays, meta["strategy"], bar.update)


def search_space(run: RunFolder, controller: Controller, *, quiet: bool = True) -> SearchSpace:
    """Where the recipe lets the search begin, and along what it goes. Raises UserError as `first_params`."""
    config = run.config.controller.search.start
    origin = first_params(run, controller)
    space = SearchSpace(origin=np.zeros(controller.num_params) if origin is None else origin)
    if not (config.directions or config.imitate):
        return space
    latents = LatentStore(run.latents)
    episodes = some_episodes(latents)
    sights = sights_of(load_memory(run.memory, run.device), latent_episodes(latents, episodes))
    if config.directions:
        inputs = controller.inputs(*sights).numpy()
        space = replace(space, basis=principal_basis(controller, inputs, config.directions))
    if config.imitate:
        teacher = collecting_agent(run)
        assert teacher, "a recipe that imitates has somebody to imitate"
        act = actions_of(teacher, EpisodeStore(run.rollouts), episodes)
        chance = torch_generator(run.config.seed, "controller", "imitation")
        params, error = imitated(controller, space, sights, act, chance)
        space = replace(space, origin=params)
        if not quiet:
            note(f"controller: C begins as a copy of {teacher.name} ({1 - error:.0%} of its actions explained)")
    return space


def first_params(run: RunFolder, controller: Controller) -> np.ndarray | None:
    """The controller that the recipe names to begin at (p,), or None for zero.

    Raises UserError where it is missing, of another shape, or was made for another V or M: its weights would say
    nothing about what they are given here.
    """
    name = run.config.controller.search.start.init_from
    if not name:
        return None
    path = Path(name) if name.endswith(".safetensors") else agent_folder(name) / CONTROLLER
    try:
        theirs, params = load_controller(path)
    except UserError as error:
        raise UserError(f"controller.search.start.init_from: {error}") from error
    if (theirs.config, theirs.z_size, theirs.h_size) != (controller.config, controller.z_size, controller.h_size):
        raise UserError(
            f"controller.search.start.init_from: {path} is a controller of another shape: choose one of the same"
        )
    try:
        check_made_for(path, run.path)
    except UserError as error:
        raise UserError(f"controller.search.start.init_from: {error}") from error
    return params.astype(np.float64)
