"""Finals on the road whose drives are kept: the same frames say who drives best, and show the next M what it did not
know.

Shapes: n controllers, t tracks, p parameters of C.
"""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reverie.data.store import About, EpisodeStore, Packed, pack_episode
from reverie.envs.registry import spec_of
from reverie.reading import read_json
from reverie.rollout import Outcome, RolloutTask, cached_agent
from reverie.run.folder import RunFolder
from reverie.seeding import generator, sample_tracks
from reverie.training.controller.rollouts import Rollouts
from reverie.training.recorder import EPISODES_PER_TASK, groups_left, record
from reverie.workers.contract import Workers
from reverie.writing import write_json


@dataclass(frozen=True, kw_only=True)
class LapsTask:
    """Some drives of the finals, for a worker."""

    first: int
    """Number of the first in the store."""
    skip: int
    """So many of them are in the store already."""
    rollout: RolloutTask
    about: About


def run_laps(task: LapsTask) -> list[Packed]:
    """Drives a task's episodes, from the usual place to their ends."""
    drive = task.rollout
    actions = spec_of(drive.env).actions
    agent = cached_agent(drive.folder, drive.digest, drive.agent, drive.controller, actions, drive.device)
    policy = drive.policy(agent, drive.params)
    episodes = record(drive.env, policy, drive.seeds, stall_decisions=drive.stall_decisions)
    return [
        pack_episode(task.first + row, episodes[row], drive.seeds[row], task.about)
        for row in range(task.skip, len(episodes))
    ]


def lap_tracks(run: RunFolder) -> np.ndarray:
    """Training tracks for the finals, as many as the recipe says (t,)."""
    config = run.config
    return np.array(
        sample_tracks(generator(config.seed, "controller", "finals"), config.controller.search.finals.tracks)
    )


def lap_files(run: RunFolder) -> list[Path]:
    """What says which drives were kept, where any were."""
    return [run.laps / "index.jsonl"] if run.config.controller.search.finals.record else []


class Laps:
    """Lets finalists drive on the road for the store `laps` of their run."""

    def __init__(self, road: Rollouts, workers: Workers) -> None:
        self._road, self._workers, self._run = road, workers, road.run
        self._num_asked = 0

    def drive(self, params: np.ndarray, tracks: np.ndarray) -> list[Outcome]:
        """Each of `params` (n, p) on its own `tracks` (n, t), controller by controller; the first time, of all that
        take part. An episode that stalls ends as those that a round collects before failures."""
        if not self._num_asked:
            self._begin(params)
        config, store, begin = self._run.config, EpisodeStore(self._run.laps), self._num_asked
        self._num_asked += tracks.size
        whole = self._road.task(params, tracks, stall_decisions=config.rounds.stall_decisions or None)
        groups = whole.split(EPISODES_PER_TASK)
        tasks = [
            LapsTask(
                first=begin + first,
                skip=skip,
                rollout=groups[first // EPISODES_PER_TASK],
                about=About(round=config.rounds.num, driver="lap", start=None),  # the next one learns from them
            )
            for first, skip in groups_left(tracks.size, max(0, len(store) - begin))
        ]
        for episodes in self._workers.map(run_laps, tasks):
            for episode in episodes:
                store.append(episode)
        entries, repeat = store.entries[begin : begin + tracks.size], config.env.action_repeat
        return [
            Outcome(entry["episode_return"], repeat * entry["num_decisions"], entry["num_decisions"], terminated=False)
            for entry in entries
        ]

    def _begin(self, finalists: np.ndarray) -> None:
        """Throws away what others than these finalists (f, p) drove; what they drove themselves is not driven again."""
        path = self._run.laps / "finalists.json"
        identity = hashlib.sha256(finalists.tobytes()).hexdigest()
        if not path.exists() or read_json(path) != identity:
            shutil.rmtree(self._run.laps, ignore_errors=True)
            self._run.laps.mkdir()
            write_json(path, identity)
