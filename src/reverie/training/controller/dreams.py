"""Controllers at the wheel of dreams, wherever tasks are run: the dream as a place to search.

Shapes: n controllers, t tracks, p parameters of C, d dreams.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from reverie.checkpoint import file_sha256
from reverie.devices import chosen_device
from reverie.dream.dreamer import load_dreams
from reverie.dream.ensemble import Member
from reverie.dream.moments import DREAM, World
from reverie.dream.rollout import ControllerPolicy
from reverie.dream.tracks import DreamTracks
from reverie.envs.config import EnvConfig
from reverie.envs.registry import spec_of
from reverie.errors import UserError
from reverie.lockstep import Lockstep
from reverie.models.controller import Controller, ControllerConfig
from reverie.models.files import MEMORY, VISION, num_members, numbered
from reverie.rollout import Outcome, outcomes_of
from reverie.run.dreams import DreamsConfig
from reverie.seeding import VALIDATION_TRACKS
from reverie.training.controller.rollouts import Rollouts
from reverie.types import Device
from reverie.workers.contract import Workers, located

ROWS_PER_TASK, ROWS_OF_ONE = 256, 64
"""Dreams that a worker dreams together on a CPU: as fast as more of them, and few enough to share out; and those of a
single controller, of which there are fewer."""
ROWS_ON_A_GPU = 4096
"""Of one task on a GPU of NVIDIA's, at most: a decision in so many takes as long as in 256 (docs/devices.md)."""
OWN, ROAD = "eval_own_return", "eval_road_return"
"""Columns of the log: what those that take part in the search make of validation dreams, and what the road does."""


@dataclass(frozen=True, kw_only=True)
class DreamTask:
    """Work for a worker: candidates in dreams. The worker loads M and its moments itself, once."""

    folder: Path
    """Where the models and moments lie, as `Workers.place` gave it."""
    digest: str
    """Says which they are, so that a worker does not go on with old ones."""
    env: EnvConfig
    """The world that is dreamt of."""
    dream: DreamsConfig
    by_judge: bool
    """Whether what the judge expects comes true, instead of what those expect that take part."""
    controller: ControllerConfig
    params: np.ndarray
    """(d, p): a controller for each dream."""
    seeds: tuple[int, ...]
    """(d,): a track for each dream. Those of validation tracks begin at moments that M was not fitted on."""
    stall_decisions: int | None = None
    max_decisions: int | None = None
    device: Device = "cpu"
    """Where they are dreamt, in whatever process."""

    def split(self, rows: int) -> "list[DreamTask]":
        """The same work in pieces of at most `rows` dreams."""
        starts = range(0, len(self.seeds), rows)
        return [replace(self, params=self.params[i : i + rows], seeds=self.seeds[i : i + rows]) for i in starts]


def run_dreams(task: DreamTask) -> list[Outcome]:
    """Runs a task, in whatever process this is."""
    dream, found = task.dream, cached_dreams(task.folder, task.digest, task.device)
    spec = spec_of(task.env)
    first = found.members[0].memory
    controller = Controller(task.controller, first.z_size, first.config.hidden_size, spec.actions)
    if task.by_judge:
        members, doubt = (found.members[0], found.members[-1]), None
    else:
        members, doubt = dream.taking_part(found.members), dream.doubt
    held_out = task.seeds[0] in VALIDATION_TRACKS
    env = DreamTracks(
        members,
        found.world,
        dream.dreaming,
        len(task.seeds),
        bank=torch.nonzero(members[0].moments.held_out == held_out).squeeze(1),
        decisions=dream.decisions,
        speaks=int(task.by_judge),
        doubt=doubt,
        pace=dream.pace,
    )
    episodes = Lockstep(
        env,
        ControllerPolicy(controller, torch.from_numpy(task.params).to(chosen_device(task.device))),
        task.seeds,
        max_decisions=min(dream.decisions, task.max_decisions or dream.decisions),
        stall_decisions=task.stall_decisions,
        progressed=spec.progressed,
    )
    outcomes = outcomes_of(episodes)
    return [one._replace(excess=float(excess)) for one, excess in zip(outcomes, env.excess, strict=True)]


class _Found(NamedTuple):
    members: tuple[Member, ...]
    """The first M and the further ones, each with its states at the moments."""
    world: World


@lru_cache(maxsize=1)
def cached_dreams(folder: Path, digest: str, device: Device = "cpu") -> _Found:  # noqa: ARG001 (says when it is others)
    """What this process dreams with; kept, because every task of a round has the same. Raises UserError where this
    machine has no such device."""
    where = chosen_device(device)
    dreams = load_dreams(located(folder), where)
    return _Found(tuple(one.to(where) for one in dreams.ensemble), dreams.world)


class DreamRollouts:
    """Lets controllers of one shape act in dreams of the run's M: beside `Rollouts`, another world for a search."""

    def __init__(self, road: Rollouts, workers: Workers) -> None:
        """`road` is the world that is dreamt of. Raises UserError where the run's moments do not do for the dreams."""
        self.run, self._road, self._workers, self._shape = road.run, road, workers, road.shape
        self.made_with = road.made_with
        self._config = self.run.config.controller.dream
        banks = [numbered(DREAM, i) for i in range(num_members(self.run.path))]
        names = (VISION, *(name for i, bank in enumerate(banks) for name in (numbered(MEMORY, i), bank)))
        self._digest = "".join(file_sha256(self.run.path / name) for name in names)
        self._folder = workers.place(self.run.path, names)
        self._check(len(banks))

    def _check(self, members: int) -> None:
        if members != (wanted := self.run.config.memory.members):
            raise UserError(
                f"{self.run.path} holds {members} of the {wanted} M's of its recipe: train them anew with "
                f"`reverie memory --run {self.run.path} --again`"
            )
        held_out = cached_dreams(self.run.path, self._digest, self.run.recipe.device).members[0].moments.held_out
        if held_out.all() or not held_out.any():
            missing = "fitted on" if held_out.all() else "not fitted on, for validation dreams"
            raise UserError(
                f"{self.run.dream} has no moment that M was {missing}: raise memory.dream_starts, and make it anew "
                f"with `reverie memory --run {self.run.path} --again`"
            )

    def outcomes(
        self,
        params: np.ndarray,
        tracks: np.ndarray,
        *,
        stall_decisions: int | None = None,
        max_decisions: int | None = None,
        by_judge: bool = False,
    ) -> list[Outcome]:
        """Each of `params` (n, p) in its own dreams `tracks` (n, t), controller by controller: all validation tracks,
        or none."""
        assert len(params) == len(tracks), f"{len(params)} controllers for {len(tracks)} rows of tracks"
        task = DreamTask(
            folder=self._folder,
            digest=self._digest,
            env=self.run.config.env,
            dream=self._config,
            by_judge=by_judge,
            controller=self._shape,
            params=np.repeat(params.astype(np.float32), tracks.shape[1], axis=0),
            seeds=tuple(tracks.ravel().tolist()),
            stall_decisions=stall_decisions,
            max_decisions=max_decisions,
            device=self.run.recipe.device,
        )
        rows = ROWS_PER_TASK if len(params) > 1 else ROWS_OF_ONE
        parts = task.split(ROWS_ON_A_GPU if self.run.device.type == "cuda" else rows)
        return [outcome for found in self._workers.map(run_dreams, parts) for outcome in found]

    def validated(self, params: np.ndarray, tracks: np.ndarray) -> list[Outcome]:
        """See `SearchWorld`: by the judge, where there is one."""
        return self.outcomes(params, tracks, by_judge=self._config.judge)

    @property
    def watched(self) -> tuple[str, ...]:
        """See `SearchWorld`."""
        own, road = (OWN,) * self._config.judge, (ROAD,) * bool(self._config.road_tracks)
        return own + road

    def watch(self, params: np.ndarray, tracks: np.ndarray) -> dict[str, list[Outcome]]:
        """See `SearchWorld`: the same dreams by those that take part, and the road."""
        found = {}
        if OWN in self.watched:
            found[OWN] = self.outcomes(params, tracks)
        if ROAD in self.watched:
            on = np.array(VALIDATION_TRACKS[: self._config.road_tracks])
            found[ROAD] = self._road.outcomes(params, np.repeat(on[None], len(params), 0))
        return found

    def columns(self, outcomes: Sequence[Outcome]) -> dict[str, int]:
        """What episodes cost, and how they were: columns of the log."""
        dreams = [one for one in outcomes if not one.frames]
        return {
            "frames": sum(one.frames for one in outcomes),
            "decisions": sum(one.decisions for one in outcomes if one.frames),
            "dreamt": sum(one.decisions for one in dreams),
            "exploits": sum(one.excess > 0 for one in dreams),
        }
