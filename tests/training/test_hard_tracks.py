"""Tracks that are driven again because candidates did badly on them."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reverie import recipes
from reverie.errors import UserError
from reverie.rollout import DriveTask, Outcome
from reverie.run_folder import RunFolder
from reverie.training import drivers
from reverie.training.hard_tracks import ROOM, HardTracks
from tests.training.test_controller import evolve, with_settings


def test_it_remembers_the_worst_by_their_last_mean() -> None:
    hard = HardTracks()
    hard.note([1, 2, 3], np.array([[0.0, 50, 90], [np.nan, 70, 100]]))
    assert hard.means == {1: 0, 2: 60, 3: 95}
    hard.note([1, 4], np.array([[80.0, 70]]))
    assert list(hard.means.items()) == [(2, 60), (4, 70), (1, 80), (3, 95)]
    hard.note(range(100, 100 + ROOM), np.full((1, ROOM), 75.0))
    assert len(hard.means) == ROOM
    assert {2, 4} <= set(hard.means)
    assert not {1, 3} & set(hard.means)


def test_a_share_of_fresh_tracks_gives_way_to_them() -> None:
    hard, fresh = HardTracks({7: 0.0, 8: 1.0, 9: 2.0}), np.arange(4)
    drawn = [hard.mixed(fresh, 0.5, np.random.default_rng(i)) for i in range(50)]
    assert all((tracks[:2] == [0, 1]).all() and set(tracks[2:].tolist()) < {7, 8, 9} for tracks in drawn)
    assert {int(track) for tracks in drawn for track in tracks[2:]} == {7, 8, 9}
    assert all(len(set(tracks.tolist())) == 4 for tracks in drawn)
    np.testing.assert_array_equal(hard.mixed(fresh, 0.5, np.random.default_rng(3)), drawn[3])
    np.testing.assert_array_equal(hard.mixed(fresh, 0.1, np.random.default_rng(0)), fresh)
    np.testing.assert_array_equal(HardTracks().mixed(fresh, 1.0, np.random.default_rng(0)), fresh)
    assert set(HardTracks({2: 0.0, 9: 1.0}).mixed(fresh, 1.0, np.random.default_rng(0)).tolist()) == {0, 1, 2, 9}


def test_a_search_drives_them_again_and_continues_alike(
    tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driven: list[tuple[int, ...]] = []

    def drive_all(task: DriveTask, *_: object, **__: object) -> list[Outcome]:
        driven.append(task.seeds)
        rets = [float(track % 997 + params[0]) for track, params in zip(task.seeds, task.params, strict=True)]
        return [Outcome(ret, frames=7, decisions=7, terminated=False) for ret in rets]

    monkeypatch.setattr(drivers, "drive_all", drive_all)
    settings: dict[str, Any] = {"generations": 6, "eval_every": 3, "tracks": 4, "hard_tracks": 0.5}
    cut = RunFolder.open(shutil.copytree(tiny_run.path, tmp_path / "cut"))
    whole = evolve(with_settings(tiny_run, **settings))
    training = [set(seeds) for seeds in driven if len(set(seeds)) == 4]
    assert len(training) == 6
    for before, tracks in enumerate(training[1:], 1):
        seen = set.union(*training[:before])
        assert len(tracks & seen) == 2
    assert set(whole.hard.means) == set.union(*training)
    evolve(with_settings(cut, **settings | {"generations": 3}))
    cut.reopen("controller")
    cut.config = tiny_run.config
    continued = evolve(cut)
    np.testing.assert_array_equal(continued.strategy.center, whole.strategy.center)
    assert list(continued.hard.means.items()) == list(whole.hard.means.items())


def test_candidates_must_share_their_tracks() -> None:
    with pytest.raises(UserError, match=r"^controller\.hard_tracks compares"):
        recipes.load("debug", ["controller.hard_tracks=0.5", "controller.common_tracks=none"])
