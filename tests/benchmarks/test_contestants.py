"""That the sides of a benchmark do what they are said to do; how fast they are is for `reverie bench`."""

import runpy
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reverie.benchmarks import contestants, heats, speed
from reverie.benchmarks.heats import Heat, Lap, Turn
from reverie.errors import UserError
from reverie.rollout import Outcome, RolloutTask, run_rollout
from reverie.workers.inline import InlineWorkers
from reverie.workers.make import make_workers


class Laps(InlineWorkers):
    """Workers whose turns are made up."""

    def __init__(self, *pairs: list[Lap]) -> None:
        self.pairs = iter(pairs)

    def map(self, function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Any]:
        assert function is heats.take_turn
        assert list(tasks) == [Turn("frames_64", 2.0)] * 2
        return iter(next(self.pairs))


def test_workers_that_did_not_run_at_once_run_again():
    apart, together = [Lap(5.0, 0, 2), Lap(7.0, 2, 4)], [Lap(5.0, 4, 6), Lap(6.0, 4.1, 6.1)]
    assert heats.in_workers(Laps(apart, together), 2, "frames_64")(2.0) == 11.0
    with pytest.raises(UserError, match="did not run at the same time"):
        heats.in_workers(Laps(*[apart] * heats.MAX_TRIES), 2, "frames_64")(2.0)


@pytest.mark.parametrize(
    "name",
    [
        "frames_64",
        "frames_96",
        "rollout_bf16",
        "rollout_fp32",
        "vision_bf16",
        "vision_fp32",
        "evolve_dream",
        "evolve_road",
    ],
)
def test_ours_works_and_can_be_asked_again(name: str):
    laps = list(InlineWorkers().map(heats.take_turn, [Turn(name, 0.1)] * 2))
    assert min(lap.rate for lap in laps) > 0
    assert laps[0].began + 0.1 < laps[0].ended <= laps[1].began


@pytest.mark.parametrize("name", ["gymnasium_64", "gymnasium_96", "batch1", "vision"])
def test_a_peer_works_and_ends(name: str):
    peer = speed.Peer(name, 2)
    assert peer(0.05) > 0
    peer.close()
    assert [process.returncode for process in peer._processes] == [0, 0]


def test_both_sides_of_vision_see_the_same_pictures():
    theirs = runpy.run_path(str(speed._peers()))["roads"](5)
    assert theirs.shape == (5, 64, 64, 3)
    assert np.array_equal(contestants.roads(5), theirs)
    assert 0.05 < (theirs[..., 1] == 104).mean() < 0.5


def peer_that_says(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "peers.py"
    program.write_text(f"import sys\nif 'envpool' in sys.argv[1]:\n    sys.exit(print({text!r}))\n"
                       "for line in sys.stdin: print(3.5, flush=True)\n")  # fmt: skip
    monkeypatch.setattr(speed, "_peers", lambda: program)


def test_a_heat_leaves_out_a_peer_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    peer_that_says("missing: pip install it", tmp_path, monkeypatch)
    monkeypatch.setattr(heats, "make_workers", _inline)
    heat = Heat(1, (("envpool_64", 2), ("gymnasium_64", 2)), (("frames_64", 1),))
    found = heats.run_heat(heat, rounds=2, seconds=0.05, unit="frames", quiet=True)
    assert set(found) == {"gymnasium_64_x2", "frames_64_x1"}
    assert found["gymnasium_64_x2"] == (7.0, 7.0)
    assert min(found["frames_64_x1"]) > 0


def test_a_generation_is_driven_by_workers_of_its_own(monkeypatch: pytest.MonkeyPatch):
    asked: list[int] = []

    def inline(num_workers: int) -> Any:
        asked.append(num_workers)
        return make_workers(0)

    def rollout_all(task: RolloutTask, workers: object, *, rows_per_task: int) -> list[Outcome]:
        assert isinstance(workers, InlineWorkers)
        assert len(task.params) == len(task.seeds) == 128
        assert len(np.unique(task.params, axis=0)) == 64
        assert rows_per_task == 32
        time.sleep(0.01)
        return run_rollout(replace(task, params=task.params[:2], seeds=task.seeds[:2], max_decisions=3))

    monkeypatch.setattr(heats, "make_workers", inline)
    monkeypatch.setattr(heats, "rollout_all", rollout_all)
    heat = Heat(1, (), (("generation", 1), ("generation", 2)))
    found = heats.run_heat(heat, rounds=1, seconds=0.05, unit="frames", quiet=True)
    assert asked == [2, 1, 2]
    assert 0 < found["generation_x1"][0] < 2 * 3 * 4 / 0.01


def _inline(num_workers: int) -> Any:
    assert num_workers == 1
    return make_workers(0)


def test_a_peer_that_breaks_down_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    peer_that_says("", tmp_path, monkeypatch)
    with pytest.raises(UserError, match="envpool_64 ended in the middle"):
        speed.Peer("envpool_64", 1)


def test_a_peer_that_dies_between_two_turns_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    peer_that_says("", tmp_path, monkeypatch)
    peer = speed.Peer("gymnasium_64", 1)
    peer._processes[0].kill()
    peer._processes[0].wait()
    with pytest.raises(UserError, match="gymnasium_64 ended in the middle"):
        peer(1.0)
    peer.close()


def test_words_instead_of_a_rate_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    peer_that_says("loading assets", tmp_path, monkeypatch)
    with pytest.raises(UserError, match="said 'loading assets'"):
        speed.Peer("envpool_64", 1)
