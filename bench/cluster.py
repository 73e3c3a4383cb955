"""What a task costs on a Dask cluster, and what follows for many workers: `python -m bench.cluster`.

A task drives some episodes of a generation (pretrained's V and M). Measured here, with a scheduler and workers on
loopback: bytes of a task and seconds to pack and unpack it, seconds that client and scheduler spend on one that only
travels, seconds of driving. The model is that a generation takes the longest of three: the driving, shared out in whole
tasks; the scheduling, one task after another; the bytes, over the network of the machine that gives them out.
"""

import argparse
import math
import pickle
import time
from collections.abc import Callable

import numpy as np

from reverie.checkpoint import file_sha256
from reverie.models.files import MODELS, load_controller
from reverie.rollout import RolloutTask, run_rollout
from reverie.run.folder import RunFolder
from reverie.workers.cluster import DaskWorkers
from reverie.workers.contract import Workers
from reverie.workers.inline import InlineWorkers

NETWORK = 125e6
"""Bytes a second of the network that is assumed: 1 Gbit/s."""
CANDIDATES, TRACKS = 64, 16
"""A generation of the paper's."""
EMPTY = 400
"""Tasks that only travel."""


def tasks_of(run: RunFolder, workers: Workers, rows: int) -> list[RolloutTask]:
    """A generation of candidates around the run's controller, in tasks of so many episodes."""
    controller, best = load_controller(run.controller)
    params = best + 0.02 * np.random.default_rng(0).normal(size=(CANDIDATES, len(best)))
    return RolloutTask(
        folder=workers.place(run.path, MODELS),
        digest=file_sha256(run.vision) + file_sha256(run.memory),
        env=run.config.env,
        agent=run.config.agent,
        controller=controller.config,
        params=np.repeat(params, TRACKS, 0).astype(np.float32),
        seeds=tuple(range(2_000_000, 2_000_000 + TRACKS)) * CANDIDATES,
    ).split(rows)


def carry(task: RolloutTask) -> int:
    """Takes a task and drives nothing."""
    return len(task.seeds)


def seconds(function: Callable[[], object]) -> float:
    """Of a call."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def main() -> None:
    """Measures, and prints figures and predictions."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":", maxsplit=1)[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[8, 32], help="episodes of a task")
    rows_of = parser.parse_args().rows
    run, inline, dask = RunFolder.open("pretrained"), InlineWorkers(), DaskWorkers("local")
    list(dask.map(carry, tasks_of(run, dask, 32)[:2]))  # workers are awake, and have the models
    print(f"a generation of {CANDIDATES} candidates on {TRACKS} tracks; a network of {NETWORK / 1e6:.0f} MB/s")
    for rows in rows_of:
        tasks = tasks_of(run, dask, rows)
        packed = pickle.dumps(tasks[0])
        packing = seconds(lambda: [pickle.loads(pickle.dumps(tasks[0])) for _ in range(50)]) / 50  # noqa: B023
        many = (tasks * math.ceil(EMPTY / len(tasks)))[:EMPTY]
        overhead = seconds(lambda: list(dask.map(carry, many))) / EMPTY  # noqa: B023
        driving = seconds(lambda: list(inline.map(run_rollout, tasks_of(run, inline, rows)[:2]))) / 2  # noqa: B023
        print(
            f"{rows:3} episodes a task: {len(packed) / 1e3:.0f} kB, packing {1e3 * packing:.2f} ms, "
            f"overhead {1e3 * overhead:.1f} ms, driving {driving:.2f} s"
        )
        for workers in (1, 2, 16, 64, 256, 1000):
            parts = {
                "driving": math.ceil(len(tasks) / workers) * driving,
                "scheduling": len(tasks) * overhead,
                "network": len(tasks) * len(packed) / NETWORK,
            }
            slowest = max(parts, key=lambda name: parts[name])
            alone = len(tasks) * driving
            print(
                f"    {workers:4} workers: {parts[slowest]:7.2f} s a generation ({slowest}), "
                f"{alone / parts[slowest]:.0f} times one worker"
            )
    dask.close()


if __name__ == "__main__":
    main()
