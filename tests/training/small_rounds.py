"""Runs of rounds that take seconds."""

from pathlib import Path

from reverie.run import settings
from reverie.run.folder import RunFolder

SMALL = (
    "env.max_frames=24",
    "collect.episodes=4",
    "collect.steps=6",
    "collect.starts=random",
    "collect.policy=walk",
    "vision.epochs=1",
    "vision.fit.batch_size=8",
    "memory.steps=2",
    "memory.eval_every=2",
    "controller.search.generations=2",
    "controller.search.start.imitate=true",
    "controller.search.start.directions=4",
    "rounds.num=3",
    "rounds.episodes=4",
    "rounds.laps=1",
    "rounds.vision_epochs=1",
    "rounds.vision_tolerance=0",
    "rounds.memory_steps=2",
    "rounds.newest=0.5",
    "rounds.generations=1",
    "rounds.beside=0.3",
    "rounds.failures=0.3",
)


def of_rounds(path: Path, *overrides: str) -> RunFolder:
    return RunFolder.create(path, settings.load("debug", [*SMALL, *overrides]))


def rounds_of(run: RunFolder) -> list[RunFolder]:
    return [*(RunFolder.open(run.rounds / str(i)) for i in range(run.recipe.rounds.num - 1)), run]
