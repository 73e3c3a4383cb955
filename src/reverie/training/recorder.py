"""What cars in lockstep saw and did, kept as episodes."""

from collections import defaultdict

import numpy as np

from reverie.data.episode import Episode
from reverie.envs.vector import Transition


class Recorder:
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
