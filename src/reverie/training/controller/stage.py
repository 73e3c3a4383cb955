"""Stage controller: C learns to drive, by the learner that the recipe names."""

from collections.abc import Callable

from reverie.metrics import Metrics
from reverie.run.folder import RunFolder
from reverie.training.controller.evolve import evolve
from reverie.training.controller.imagine.learn import learn
from reverie.workers.contract import Workers

LEARNERS: dict[str, Callable[..., None]] = {"search": evolve, "imagine": learn}
"""Name -> what makes a controller of a run's V and M, from where it was cut, and marks the stage as done."""


def train_controller(run: RunFolder, workers: Workers, metrics: Metrics, *, quiet: bool) -> None:
    """Lets C learn, or go on where it was cut."""
    LEARNERS[run.config.controller.learner](run, workers, metrics, quiet=quiet)
