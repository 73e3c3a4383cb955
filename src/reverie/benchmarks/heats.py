"""Heats of the benchmarks: contestants of both sides on the same cores, ours in this process or in workers."""

import time
from contextlib import ExitStack
from typing import NamedTuple

from reverie.agent import AgentConfig
from reverie.benchmarks.contestants import ours
from reverie.benchmarks.searches import TRACKS, candidates
from reverie.benchmarks.speed import MissingPeerError, Peer, Round, on_cores, race
from reverie.envs.config import EnvConfig
from reverie.errors import UserError
from reverie.measure.score import ROWS_PER_TASK, rollout_all
from reverie.models.files import MODELS, packaged
from reverie.rollout import RolloutTask
from reverie.seeding import VALIDATION_TRACKS
from reverie.types import Device
from reverie.workers.contract import Workers
from reverie.workers.make import make_workers

GENERATION = "generation"
CANDIDATES = 64
MAX_TRIES = 20
"""At first a worker may still be starting while another has done the work of both."""


class Heat(NamedTuple):
    """Contestants that take turns on the same cores; each is named with the processes in which it runs at once."""

    num_cores: int
    """Cores that all of them are held on."""
    peers: tuple[tuple[str, int], ...]
    """Of `bench/peers.py`."""
    ours: tuple[tuple[str, int], ...]


def run_heat(
    heat: Heat, *, rounds: int, seconds: float, unit: str, quiet: bool, device: Device = "cpu"
) -> dict[str, tuple[float, ...]]:
    """Units per second in each round, by NAME_xPROCESSES, of networks on `device`. Peers that are not installed are
    left out."""
    contestants: dict[str, Round] = {}
    with ExitStack() as stack:
        stack.enter_context(on_cores(heat.num_cores))
        workers = stack.enter_context(make_workers(max(num for _, num in heat.ours)))
        for name, num in heat.peers:
            try:
                contestants[f"{name}_x{num}"] = peer = Peer(name, num, device)
                stack.callback(peer.close)
            except MissingPeerError:
                continue
        for name, num in heat.ours:
            own = stack.enter_context(make_workers(num)) if name == GENERATION else None
            contestants[f"{name}_x{num}"] = _generation(own) if own else in_workers(workers, num, name, device)
        return race(contestants, rounds=rounds, seconds=seconds, unit=f"{unit}/s", quiet=quiet)


def _generation(workers: Workers) -> Round:
    """Frames per second of a whole generation, as the search for C gives it out, however long that takes: candidates
    near the agent that ships, on the same tracks, to the end of every episode."""
    controller, params = candidates(CANDIDATES)
    task = RolloutTask(
        folder=workers.place(packaged(), MODELS),
        digest=GENERATION,
        env=EnvConfig(action_repeat=4),
        agent=AgentConfig(precision="bf16"),
        controller=controller.config,
        params=params,
        seeds=tuple(VALIDATION_TRACKS[:TRACKS]) * CANDIDATES,
    )

    def turn(seconds: float) -> float:  # noqa: ARG001 (it is the work that is fixed)
        began = time.monotonic()
        outcomes = rollout_all(task, workers, rows_per_task=ROWS_PER_TASK)
        return sum(outcome.frames for outcome in outcomes) / (time.monotonic() - began)

    return turn


class Turn(NamedTuple):
    """A turn of ours, as a task for a worker."""

    name: str
    seconds: float
    device: Device = "cpu"


class Lap(NamedTuple):
    """What came of a turn: units per second, and when it was, on the system's clock."""

    rate: float
    began: float
    ended: float


def take_turn(turn: Turn) -> Lap:
    """One turn of ours in this process, whose environments and networks are kept for the next."""
    contestant = ours(turn.name, turn.device)
    began = time.monotonic()
    return Lap(contestant(turn.seconds), began, time.monotonic())


def in_workers(workers: Workers, num: int, name: str, device: Device = "cpu") -> Round:
    """`num` workers at it at once: the sum of their rates."""

    def together(seconds: float) -> float:
        for _ in range(MAX_TRIES):
            laps = list(workers.map(take_turn, [Turn(name, seconds, device)] * num))
            common = min(lap.ended for lap in laps) - max(lap.began for lap in laps)
            if common >= 0.9 * max(lap.ended - lap.began for lap in laps):
                return sum(lap.rate for lap in laps)
        raise UserError(f"{num} workers did not run at the same time: is the machine busy with something else?")

    return together
