"""Stage controller: C learns to drive by evolution, on the return alone."""

import csv
import io
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from reverie import checkpoint
from reverie.checkpoint import file_sha256
from reverie.evaluation.protocol import drive_all
from reverie.evolution.cma import Cma
from reverie.metrics import Metrics, Progress
from reverie.models.controller import Controller
from reverie.models.files import save_controller
from reverie.rollout import DriveTask, Outcome
from reverie.run_folder import RunFolder, StageClock
from reverie.seeding import VALIDATION_TRACKS, generator, sample_tracks
from reverie.workers.pool import Workers

ROWS_PER_TASK = 64
"""Episodes that a worker steps together: enough for full batches, few enough to share a generation out."""
EVAL_ROWS_PER_TASK = 16
"""The same for an evaluation of the center, which has fewer."""
SNAPSHOT_SECONDS = 20.0


class Evolution:
    """The state of the search: strategy, best center so far, history; saved and loaded as one file."""

    def __init__(self, run: RunFolder, controller: Controller, *, quiet: bool = True) -> None:
        self._config, self._num_params = run.config, controller.num_params
        self.path = run.evolution / "state.safetensors"
        self.strategy = self._new_strategy()
        self.history: list[dict[str, Any]] = []
        self.best = self.strategy.center
        self.best_score = -np.inf
        self.best_generation = 0
        if self.path.exists():
            self._load(quiet)

    @property
    def generation(self) -> int:
        """Generations done."""
        return len(self.history)

    def _new_strategy(self) -> Cma:
        rng = generator(self._config.seed, "controller", "strategy")
        return Cma(self._config.controller.cma, self._num_params, rng)

    def centers(self, generations: Sequence[int]) -> np.ndarray:
        """The center after each of `generations` (n,) -> (n, p), by running the search again without driving."""
        strategy, centers = self._new_strategy(), {0: self._new_strategy().center}
        strategy.load_state(*self.strategy.state(), lambda done: centers.__setitem__(done, strategy.center))
        return np.stack([centers[generation] for generation in generations])

    def total(self, key: str) -> float:
        """Sum of a column of the history."""
        return sum(row[key] for row in self.history)

    def save(self) -> None:
        """Replaces the state, and log.csv, which has the columns of the published logs."""
        arrays, values = self.strategy.state()
        arrays = {f"strategy.{key}": value for key, value in arrays.items()} | {"best": self.best}
        score = self.best_score if np.isfinite(self.best_score) else None
        meta = {"strategy": values, "history": self.history, "best": [score, self.best_generation]}
        checkpoint.save(self.path, arrays, meta)
        if self.history:
            text = io.StringIO()
            table = csv.DictWriter(text, self.history[-1].keys(), lineterminator="\n")
            table.writeheader()
            table.writerows(self.history)
            with checkpoint.write_atomically(self.path.with_name("log.csv")) as file:
                file.write(text.getvalue().encode())

    def _load(self, quiet: bool) -> None:
        tensors, meta = checkpoint.load(self.path)
        arrays = {key: tensor.numpy() for key, tensor in tensors.items()}
        self.best = arrays.pop("best")
        self.history = meta["history"]
        arrays = {key.removeprefix("strategy."): value for key, value in arrays.items()}
        with Progress("replay", len(self.history), "generations", quiet=quiet) as bar:
            self.strategy.load_state(arrays, meta["strategy"], bar.update)
        score, self.best_generation = meta["best"]
        self.best_score = -np.inf if score is None else score


def train_controller(run: RunFolder, workers: Workers, metrics: Metrics, *, quiet: bool) -> None:
    """Evolves C until the generations or the minutes are used up, or goes on where it was cut."""
    config, stage = run.config, run.config.controller
    model = config.memory.model
    controller = Controller(stage.model, config.vision.net.z_size, model.hidden_size)
    evolution = Evolution(run, controller, quiet=quiet)
    clock = StageClock(run, "controller")  # now, since a replay is no part of the search's budget
    metrics.rewind("controller", evolution.generation)
    drivers = Drivers(run, workers)
    saved = time.monotonic()
    bar = Progress(
        "controller",
        stage.generations,
        "generations",
        start=evolution.generation,
        limit_seconds=60 * stage.minutes - clock.seconds if stage.minutes else None,
        quiet=quiet,
    )
    with bar:
        while not evolution.history or (
            evolution.generation < stage.generations and not _out_of_time(clock, stage.minutes)
        ):
            row = _generation(evolution, drivers, metrics)
            if evaluate_now := evolution.generation % stage.eval_every == 0:
                _evaluate_center(evolution, drivers, metrics)
            best = f"{evolution.best_score:.0f}" if np.isfinite(evolution.best_score) else "-"
            bar.update(evolution.generation, mean=f"{row['mean_return']:.0f}", best=best, sigma=f"{row['sigma']:.3f}")
            if evaluate_now or time.monotonic() - saved > SNAPSHOT_SECONDS:
                evolution.save()
                clock.beat()
                saved = time.monotonic()
        if evolution.history[-1]["eval_mean_return"] is None:
            _evaluate_center(evolution, drivers, metrics)
        evolution.save()
    made_with = {"vision_sha256": file_sha256(run.vision), "memory_sha256": file_sha256(run.memory)}
    save_controller(run.controller, controller, evolution.best, **made_with)
    facts = {
        "generations": evolution.generation,
        "frames": int(evolution.total("frames")),
        "decisions": int(evolution.total("decisions")),
        "best_generation": evolution.best_generation,
        "validation_score": round(float(evolution.best_score), 3),
        **made_with,
    }
    clock.done([run.controller, evolution.path], facts)


class Drivers:
    """Drives candidates with the run's V and M."""

    def __init__(self, run: RunFolder, workers: Workers) -> None:
        self.run, self.workers = run, workers
        self.digest = file_sha256(run.vision) + file_sha256(run.memory)

    def task(self, params: np.ndarray, seeds: list[int], patience: int | None = None) -> DriveTask:
        """Each of `params` (n, p) on each of `seeds`: rows candidate by candidate."""
        config = self.run.config
        return DriveTask(
            folder=self.run.path,
            digest=self.digest,
            env=config.env,
            agent=config.agent,
            controller=config.controller.model,
            params=np.repeat(params.astype(np.float32), len(seeds), axis=0),
            seeds=tuple(seeds) * len(params),
            patience=patience,
        )

    def drive(self, params: np.ndarray, seeds: list[int], patience: int | None = None) -> list[Outcome]:
        """Outcomes in the rows' order."""
        rows = ROWS_PER_TASK if len(params) > 1 else EVAL_ROWS_PER_TASK
        return drive_all(self.task(params, seeds, patience), self.workers, rows_per_task=rows)


def _generation(evolution: Evolution, drivers: Drivers, metrics: Metrics) -> dict[str, Any]:
    """Asks, drives, tells, and adds a row to the history."""
    config, stage = drivers.run.config, drivers.run.config.controller
    started = time.monotonic()
    candidates = evolution.strategy.ask()
    num_tracks = stage.num_tracks(evolution.generation)
    tracks = sample_tracks(generator(config.seed, "controller", "tracks", evolution.generation), num_tracks)
    outcomes = drivers.drive(candidates, tracks, stage.patience or None)
    fitness = np.array([outcome.ret for outcome in outcomes]).reshape(len(candidates), len(tracks)).mean(1)
    evolution.strategy.tell(candidates, fitness)
    frames = sum(outcome.frames for outcome in outcomes)
    row = {
        "generation": evolution.generation + 1,
        "hours": round((evolution.total("seconds") + time.monotonic() - started) / 3600, 6),
        "mean_return": round(float(fitness.mean()), 3),
        "min_return": round(float(fitness.min()), 3),
        "max_return": round(float(fitness.max()), 3),
        "std_return": round(float(fitness.std()), 3),
        "sigma": round(evolution.strategy.spread, 6),
        "mean_steps": round(frames / len(outcomes), 2),
        "frames": frames,
        "decisions": sum(outcome.decisions for outcome in outcomes),
        "seconds": round(time.monotonic() - started, 3),
        "eval_mean_return": None,
    }
    evolution.history.append(row)
    logged = {f"controller/train/{key}": row[key] for key in ("mean_return", "max_return", "sigma", "mean_steps")}
    metrics.log("controller", evolution.generation - 1, logged)
    return row


def _evaluate_center(evolution: Evolution, drivers: Drivers, metrics: Metrics) -> None:
    """Drives the center on the validation tracks, to their end, and keeps it if it is the best so far."""
    started = time.monotonic()
    tracks = list(VALIDATION_TRACKS[: drivers.run.config.controller.eval_tracks])
    center = evolution.strategy.center
    outcomes = drivers.drive(center[None], tracks)
    score = float(np.mean([outcome.ret for outcome in outcomes]))
    row = evolution.history[-1]
    row["eval_mean_return"] = round(score, 3)
    row["frames"] += sum(outcome.frames for outcome in outcomes)
    row["decisions"] += sum(outcome.decisions for outcome in outcomes)
    row["seconds"] = round(row["seconds"] + time.monotonic() - started, 3)
    if score > evolution.best_score:
        evolution.best, evolution.best_score, evolution.best_generation = center, score, evolution.generation
    metrics.log("controller", evolution.generation - 1, {"controller/validation/mean_return": score})


def _out_of_time(clock: StageClock, minutes: float) -> bool:
    return bool(minutes) and clock.seconds > 60 * minutes
