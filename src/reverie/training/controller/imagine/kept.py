"""Learning in dreams as it is kept on disk: actor and critic, history, the controllers that were evaluated.

Shapes: x coordinates of the search, p parameters of C.
"""

from operator import index
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reverie import checkpoint
from reverie.data.latents import LatentStore
from reverie.errors import UserError
from reverie.models.controller import Controller
from reverie.models.files import save_controller
from reverie.run.folder import RunFolder
from reverie.seeding import torch_generator, torch_seeded
from reverie.training.controller.imagine.actor import Actor
from reverie.training.controller.imagine.actor_critic import ActorCritic, DreamWorld
from reverie.training.controller.imagine.critic import Critic
from reverie.training.controller.imagine.starts import Starts
from reverie.training.controller.log import write_log
from reverie.training.controller.search import anew_of, made_of, search_space
from reverie.training.controller.search_space import SearchSpace
from reverie.training.identity import require_own

COLUMNS = ("step", "hours", "dreamt", "frames", "decisions", "exploits", "return", "reward", "std", "seconds")
"""Of log.csv, beside scores: steps done; hours; since the row before, decisions dreamt, frames and decisions driven,
dreams that promised more than there was to earn, and seconds; what decisions of the last step were worth and paid, and
how much the hands shook."""


class Imagination:
    """The state of the learner: saved and loaded as one file. A step is a pure function of its number and of the state
    before it."""

    def __init__(self, run: RunFolder, controller: Controller, dreams: DreamWorld, *, quiet: bool = True) -> None:
        config = run.config
        self._run, self._controller = run, controller
        self.path = run.evolution / "imagine.safetensors"
        self.step = 0
        """Steps done."""
        self.history: list[dict[str, Any]] = []
        """A row for each evaluation, with `COLUMNS` and the scores of C without noise."""
        self.exploits = torch.zeros((), dtype=torch.long)
        """Dreams since the last row that promised more than there was to earn; where they are dreamt."""
        self.evaluated: list[np.ndarray] = []
        """The coordinates (x,) that were evaluated; their scores stand in the history."""
        self._of, anew = made_of(run), anew_of(run)
        tensors, meta = checkpoint.load(self.path) if self.path.exists() else ({}, {})
        if tensors:
            require_own(self.path, meta.get("of"), self._of, anew)
            with checkpoint.as_written(self.path, anew):
                self.step, self.history = meta["step"], meta["history"]
                self.exploits = torch.tensor(index(meta["exploits"]))
                self.evaluated = list(tensors.pop("evaluated").numpy())
                self.space = SearchSpace.taken_from(tensors)
        else:
            self.space = search_space(run, controller, quiet=quiet)
        self._starts = Starts(
            dreams.memories,
            LatentStore(run.latents),
            batch=config.controller.imagine.batch,
            newest=config.controller.imagine.newest,
            seed=config.seed,
            action_repeat=config.env.action_repeat,
        )
        settings = config.controller.imagine
        with torch_seeded(config.seed, "imagine"):
            critic = Critic(settings.critic, dreams.num_features)
        self.device = dreams.memories[0].device
        """Where it dreams and learns."""
        actor = Actor(controller, self.space, settings.actor).to(self.device)
        self.learner = ActorCritic(actor, critic.to(self.device), dreams, settings)
        self.exploits = self.exploits.to(self.device)
        if tensors:
            with checkpoint.as_written(self.path, anew):
                self.learner.load_state(tensors, meta["learner"])

    @property
    def scores(self) -> list[float]:
        """Of the evaluated controllers, on the same validation tracks for all."""
        return [row["eval_mean_return"] for row in self.history]

    @property
    def coordinates(self) -> np.ndarray:
        """(x,) where C is now."""
        return self.learner.actor.coordinates.detach().cpu().double().numpy().copy()

    @property
    def best(self) -> np.ndarray:
        """The evaluated coordinates with the best score (x,)."""
        return self.evaluated[int(np.argmax(self.scores))]

    def total(self, key: str) -> float:
        """Sum of a column of the history."""
        return sum(row[key] for row in self.history)

    def learn(self) -> dict[str, Tensor]:
        """Takes a step; gives numbers to log."""
        chance = torch_generator(self._run.config.seed, "imagine", "chance", self.step, device=self.device)
        values = self.learner.step(self.step, self._starts.batch(self.step), chance)
        self.step += 1
        self.exploits = self.exploits + values["exploits"].long()
        return values

    def require_numbers(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The learner's state, for a checkpoint. Raises UserError where it is no longer made of numbers."""
        tensors, meta = self.learner.state()
        if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
            raise UserError(
                f"controller: the weights became no number before step {self.step}: lower "
                "controller.imagine.actor.rate and controller.imagine.critic.rate"
            )
        return tensors, meta

    def save(self) -> None:
        """Replaces the state and log.csv. Raises UserError as `require_numbers`, and writes nothing."""
        tensors, meta = self.require_numbers()
        evaluated = np.array(self.evaluated).reshape(-1, self.space.num_coordinates)
        checkpoint.save(
            self.path,
            {**tensors, **self.space.arrays(), "evaluated": evaluated},
            {
                "step": self.step,
                "history": self.history,
                "exploits": int(self.exploits),
                "learner": meta,
                "of": self._of,
            },
        )
        write_log(self.path.with_name("log.csv"), self.history, COLUMNS)

    def save_controllers(self, **made_with: str) -> None:
        """Writes the best evaluated controller and the current one, which can be watched meanwhile."""
        for name, coordinates in (("best", self.best), ("current", self.coordinates)):
            path, params = self._run.evolution / f"{name}.safetensors", self.space.params(coordinates[None])[0]
            save_controller(path, self._controller, params, **made_with)
