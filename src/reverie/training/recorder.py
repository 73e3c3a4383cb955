"""Episodes that are driven to be kept: what cars in lockstep saw and did.

They are driven in groups. A run that was cut in the middle of one drives it again, whole, so that the same cars go in
lockstep, and keeps what was missing.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from reverie.data.episode import Episode
from reverie.envs.config import EnvConfig
from reverie.envs.vector import Start, Transition
from reverie.policies import Policy
from reverie.rollout import rollout, vector_env

EPISODES_PER_TASK = 8
"""Of a group, which a worker drives in lockstep."""


def groups_left(num: int, done: int) -> list[tuple[int, int]]:
    """Of `num` episodes of which `done` are kept: where each group that is not finished begins, and how many of it are
    kept already."""
    if done >= num:
        return []
    begun = done // EPISODES_PER_TASK * EPISODES_PER_TASK
    return [(first, max(0, done - first)) for first in range(begun, num, EPISODES_PER_TASK)]


def record(
    config: EnvConfig,
    policy: Policy,
    seeds: Sequence[int],
    *,
    starts: Sequence[Start | None] | None = None,
    max_decisions: int | None = None,
    stall_decisions: int | None = None,
) -> list[Episode]:
    """The episodes of a group, or of some of it, in lockstep: one for each of at most `EPISODES_PER_TASK` seeds. Limits
    and starts as for `rollout`; a start that is None is the usual place."""
    recorder = _Recorder()
    places: Any = starts if starts and any(starts) else None
    rollout(
        vector_env(config, EPISODES_PER_TASK),
        policy,
        seeds,
        starts=places,
        max_decisions=max_decisions,
        stall_decisions=stall_decisions,
        observer=recorder,
    )
    return [recorder.episode(row) for row in range(len(seeds))]


class _Recorder:
    """Keeps what each row saw and did: an observer of `rollout`."""

    def __init__(self) -> None:
        self._obs: dict[int, list[np.ndarray]] = defaultdict(list)
        self._act: dict[int, list[np.ndarray]] = defaultdict(list)
        self._rew: dict[int, list[float]] = defaultdict(list)
        self._last: dict[int, tuple[np.ndarray, bool, bool]] = {}

    def __call__(self, rows: np.ndarray, obs: np.ndarray, act: np.ndarray, step: Transition) -> None:
        for i, row in enumerate(rows):
            self._obs[row].append(obs[i])
            self._act[row].append(act[i])
            self._rew[row].append(step.rew[i])
            self._last[row] = (step.obs[i], bool(step.end[i]), bool(step.trunc[i]))

    def episode(self, row: int) -> Episode:
        """What a row has been through until now."""
        last, end, trunc = self._last[row]
        return Episode(
            obs=np.stack([*self._obs[row], last]),
            act=np.stack(self._act[row]).astype(np.float32),
            rew=np.array(self._rew[row], np.float32),
            end=end,
            trunc=trunc,
        )
