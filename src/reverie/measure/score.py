"""The score of an agent: its returns on a set of tracks, with the statistics and the cost."""

import time
from dataclasses import dataclass, field

import numpy as np

from reverie.challenge import Challenge
from reverie.envs.registry import versions_of
from reverie.errors import UserError
from reverie.measure.statistics import confidence_interval
from reverie.progress import Progress
from reverie.rollout import Outcome, RolloutTask, run_rollout
from reverie.seeding import TEST_TRACKS
from reverie.workers.contract import Workers

TRACKS_PER_TASK = 4
"""Of a score, whose frames Gymnasium draws."""
ROWS_PER_TASK = 32
"""Episodes of many candidates that a worker steps together: enough for full batches (64 are 4% faster, 16 slower by
13%), few enough to share a generation, or a round of a race, out."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What `reverie evaluate` prints."""

    run: str
    env_id: str
    renderer: str
    num_tracks: int
    first_seed: int
    mean: float
    std: float
    """Standard deviation over tracks (n - 1 in the denominator; 0 for a single track)."""
    ci95: tuple[float, float] | None
    """95% confidence interval of the mean, by Student's t; None for a single track."""
    returns: tuple[float, ...]
    """Track i is Gymnasium's reset(seed=first_seed + i)."""
    num_finished: int
    """Tracks on which the environment ended the episode: the lap was done, or the car left the field."""
    frames: int
    """Simulator steps, all tracks together."""
    decisions: int
    """Actions of the agent, all tracks together."""
    seconds: float
    challenge: Challenge | None = None
    """How the world was shown, if not as it is."""
    versions: dict[str, str] = field(default_factory=dict)
    """Of what the world was made of; older files do not say."""

    def text(self) -> str:
        """One line for people."""
        interval = f" [{self.ci95[0]:.0f}, {self.ci95[1]:.0f}]" if self.ci95 else ""
        shown = f", challenge {self.challenge}" if self.challenge else ""
        return (
            f"{self.run}: {self.mean:.1f}{interval} (95% interval), standard deviation {self.std:.1f}, "
            f"{self.num_tracks} tracks of {self.env_id} from seed {self.first_seed}, drawn by {self.renderer}{shown}; "
            f"{self.num_finished} ended by the environment; {self.frames:,} frames, {self.decisions:,} decisions, "
            f"{self.seconds:.0f} s"
        )


def test_seeds(num_tracks: int, first_seed: int) -> range:
    """Test tracks by seed. Raises UserError where the range would touch tracks that agents are trained or chosen on."""
    seeds = range(first_seed, first_seed + num_tracks)
    if num_tracks < 1 or seeds[0] not in TEST_TRACKS or seeds[-1] not in TEST_TRACKS:
        raise UserError(
            f"seeds {first_seed} to {first_seed + num_tracks - 1} are not all test tracks: "
            f"choose at least one, from {TEST_TRACKS[0]} to {TEST_TRACKS[-1]} (the others are for training)",
            usage=True,
        )
    return seeds


def rollout_all(
    task: RolloutTask, workers: Workers, *, rows_per_task: int, progress: Progress | None = None
) -> list[Outcome]:
    """Drives a large task in pieces of a fixed size, so that the result does not depend on the number of workers."""
    outcomes: list[Outcome] = []
    for part in workers.map(run_rollout, task.split(rows_per_task)):
        outcomes += part
        if progress:
            progress.advance(len(part), mean=f"{np.mean([outcome.ret for outcome in outcomes]):.0f}")
    return outcomes


def evaluate(task: RolloutTask, workers: Workers, run: str, *, quiet: bool = False) -> Evaluation:
    """Drives the tracks of `task` (consecutive seeds, one controller) to their end."""
    started = time.monotonic()
    with Progress("evaluate", len(task.seeds), "tracks", quiet=quiet) as bar:
        outcomes = rollout_all(task, workers, rows_per_task=TRACKS_PER_TASK, progress=bar)
    returns = np.array([outcome.ret for outcome in outcomes])
    return Evaluation(
        run=run,
        env_id=task.env.id,
        renderer=task.env.renderer,
        num_tracks=len(returns),
        first_seed=task.seeds[0],
        mean=float(returns.mean()),
        std=float(returns.std(ddof=1)) if len(returns) > 1 else 0.0,
        ci95=confidence_interval(returns),
        returns=tuple(map(float, returns)),
        num_finished=sum(outcome.terminated for outcome in outcomes),
        frames=sum(outcome.frames for outcome in outcomes),
        decisions=sum(outcome.decisions for outcome in outcomes),
        seconds=round(time.monotonic() - started, 3),
        challenge=task.challenge,
        versions=versions_of(task.env),
    )
