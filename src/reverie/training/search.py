"""The search for C as it is kept on disk: strategy, history, the centers that were evaluated."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reverie import checkpoint
from reverie.checkpoint import file_sha256
from reverie.errors import UserError
from reverie.evolution.recorded import Recorded
from reverie.evolution.strategies import make_strategy
from reverie.metrics import Progress
from reverie.models.controller import Controller
from reverie.models.files import CONTROLLER, agent_folder, load_controller, save_controller
from reverie.run_folder import RunFolder
from reverie.seeding import generator


class Evolution:
    """The state of the search: saved and loaded as one file."""

    def __init__(self, run: RunFolder, controller: Controller, *, quiet: bool = True) -> None:
        self._run, self._controller = run, controller
        self.path = run.evolution / "state.safetensors"
        self.strategy = self._new_strategy(None if self.path.exists() else first_center(run, controller))
        self.history: list[dict[str, Any]] = []
        """A row for each generation; the columns of log.csv."""
        self.evaluated: list[np.ndarray] = []
        """The centers that were evaluated; their scores stand in the history."""
        if self.path.exists():
            self._load(quiet)

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
        """The evaluated center with the best score (p,)."""
        return self.evaluated[int(np.argmax(self.scores))]

    def total(self, key: str) -> float:
        """Sum of a column of the history."""
        return sum(row[key] for row in self.history)

    def _new_strategy(self, start: np.ndarray | None = None) -> Recorded:
        config = self._run.config
        rng = generator(config.seed, "controller", "strategy")
        return make_strategy(config.controller, self._controller.num_params, rng, start)

    def centers(self, generations: Sequence[int]) -> np.ndarray:
        """The center after each of `generations` (n,) -> (n, p), by running the search again without driving."""
        strategy = self._new_strategy()
        centers: dict[int, np.ndarray] = {}
        strategy.load_state(*self.strategy.state(), lambda done: centers.__setitem__(done, strategy.center))
        return np.stack([centers[generation] for generation in generations])

    def save(self) -> None:
        """Replaces the state, and log.csv, which has the columns of the published logs."""
        arrays, values = self.strategy.state()
        arrays = {f"strategy.{key}": value for key, value in arrays.items()}
        arrays["evaluated"] = np.array(self.evaluated).reshape(-1, self._controller.num_params)
        checkpoint.save(self.path, arrays, {"strategy": values, "history": self.history})
        if self.history:
            text = io.StringIO()
            table = csv.DictWriter(text, self.history[-1].keys(), lineterminator="\n")
            table.writeheader()
            table.writerows(self.history)
            with checkpoint.write_atomically(self.path.with_name("log.csv")) as file:
                file.write(text.getvalue().encode())

    def save_controllers(self, **made_with: str) -> None:
        """Writes the best evaluated center and the current one as controllers, which can be watched meanwhile."""
        for name, params in (("best", self.best), ("current", self.strategy.center)):
            save_controller(self._run.evolution / f"{name}.safetensors", self._controller, params, **made_with)

    def _load(self, quiet: bool) -> None:
        tensors, meta = checkpoint.load(self.path)
        arrays = {key: tensor.numpy() for key, tensor in tensors.items()}
        self.history = meta["history"]
        if "evaluated" not in arrays or len(arrays["evaluated"]) != len(self.scores):
            raise UserError(f"{self.path} was written by an earlier version: begin the search again (`--again`)")
        self.evaluated = list(arrays.pop("evaluated"))
        arrays = {key.removeprefix("strategy."): value for key, value in arrays.items()}
        with Progress("replay", len(self.history), "generations", quiet=quiet) as bar:
            self.strategy.load_state(arrays, meta["strategy"], bar.update)


def first_center(run: RunFolder, controller: Controller) -> np.ndarray | None:
    """Where the search begins (p,): the controller that the recipe names, or None for zero.

    Raises UserError where it is missing, of another shape, or was made for another V or M: its weights would say
    nothing about what they are given here.
    """
    name = run.config.controller.init_from
    if not name:
        return None
    path = Path(name) if name.endswith(".safetensors") else agent_folder(name) / CONTROLLER
    try:
        theirs, params = load_controller(path)
    except UserError as error:
        raise UserError(f"controller.init_from: {error}") from error
    if (theirs.config, theirs.z_size, theirs.h_size) != (controller.config, controller.z_size, controller.h_size):
        raise UserError(f"controller.init_from: {path} is a controller of another shape: choose one of the same")
    meta = checkpoint.load(path)[1]
    for key, file in (("vision_sha256", run.vision), ("memory_sha256", run.memory)):
        if meta.get(key) != file_sha256(file):
            raise UserError(
                f"controller.init_from: {path} was not made for {file}: begin with one that was, or at zero"
            )
    return params.astype(np.float64)
