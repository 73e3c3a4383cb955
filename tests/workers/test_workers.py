"""One contract for all kinds of workers; one that dies or hangs is replaced, and its work done again."""

import asyncio
import gc
import os
import signal
import time
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reverie.checkpoint import file_sha256
from reverie.devices import num_cores
from reverie.errors import UserError
from reverie.models.files import MODELS, load_controller
from reverie.rollout import RolloutTask, run_rollout
from reverie.run.folder import RunFolder
from reverie.run.settings import load
from reverie.training.collect import collect
from reverie.workers.cluster import DaskWorkers
from reverie.workers.contract import TASKS_AHEAD, Patience, Workers
from reverie.workers.inline import InlineWorkers
from reverie.workers.processes import ProcessWorkers
from tests.workers import jobs

pytestmark = pytest.mark.xdist_group("workers")  # those that live in processes are started once
KINDS = ("inline", "processes", "dask")


@pytest.fixture(scope="module")
def pools() -> Iterator[dict[str, Workers]]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            patch.setenv(name, "2")  # one thread is theirs to see to
        found: dict[str, Workers] = {
            "inline": InlineWorkers(),
            "processes": ProcessWorkers(2),
            "dask": DaskWorkers("local"),
        }
        yield found
        for workers in found.values():
            workers.close()


@pytest.fixture
def workers(request: pytest.FixtureRequest, pools: dict[str, Workers]) -> Workers:
    return pools[request.param]


every_kind = pytest.mark.parametrize("workers", KINDS, indirect=True)
those_that_live_elsewhere = pytest.mark.parametrize("workers", KINDS[1:], indirect=True)


@every_kind
def test_results_come_in_order(workers: Workers) -> None:
    assert list(workers.map(jobs.square, range(7))) == [x * x for x in range(7)]
    assert list(workers.map(jobs.square, [])) == []


@every_kind
def test_tasks_run_on_one_thread(workers: Workers) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert set(workers.map(jobs.threads, range(3))) == {1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@every_kind
def test_an_error_that_repeats_arrives_with_the_end_of_its_traceback(workers: Workers) -> None:
    with pytest.raises(
        UserError, match=r"failed twice at the same work \(ValueError: no 3\)(.|\n)*in fail\n"
    ) as caught:
        list(workers.map(jobs.fail, [3]))
    assert not caught.value.usage
    assert list(workers.map(jobs.square, [5])) == [25]


@every_kind
def test_what_a_user_can_mend_is_not_tried_again(workers: Workers) -> None:
    with pytest.raises(UserError, match=r"^(on the worker \S+: )?choose another$") as caught:
        list(workers.map(jobs.refuse, [3]))
    assert caught.value.usage


@every_kind
def test_work_that_fails_once_is_done_again_and_counted(workers: Workers, tmp_path: Path) -> None:
    before = workers.events.repeated
    assert list(workers.map(jobs.fail_once, [tmp_path / "a", tmp_path / "b"])) == ["done"] * 2
    assert workers.events.repeated == before + 2


@those_that_live_elsewhere
def test_a_killed_worker_is_replaced_and_its_work_done_again(workers: Workers, tmp_path: Path) -> None:
    before = workers.events.lost
    tasks = [tmp_path / f"{i}" for i in range(3)]
    tasks[0].touch()
    tasks[2].touch()
    assert list(workers.map(jobs.die_once, tasks)) == ["done"] * 3
    assert workers.events.lost > before


@every_kind
def test_tasks_are_taken_as_they_are_needed(workers: Workers) -> None:
    taken = []

    def tasks() -> Iterator[int]:
        for i in range(100):
            taken.append(i)
            yield i

    ahead = TASKS_AHEAD * max(2, num_cores())
    for done, result in enumerate(workers.map(jobs.square, tasks())):
        assert result == done**2
        assert len(taken) <= done + 1 + ahead
    assert len(taken) == 100


@every_kind
def test_nothing_is_kept_of_what_was_handed_on(workers: Workers) -> None:
    seen = []
    for result in workers.map(jobs.box, range(40)):
        seen.append(weakref.ref(result))
        del result
        _drop(workers)
        assert not any(one() for one in seen)
    assert len(seen) == 40


def _drop(workers: Workers) -> None:
    """Returns when the loop of a cluster has let go of whatever it has handed over: it runs in a thread of its own."""
    if isinstance(workers, DaskWorkers):
        workers._client.sync(asyncio.sleep, 0)


def test_a_cluster_keeps_nothing_either(pools: dict[str, Workers], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reverie.workers.cluster.WAIT_SECONDS", 0.01)  # it looks in vain, now and then
    dask: Any = pools["dask"]
    gc.collect()
    before = set(dask._client.futures)  # pytest holds those of tests that expect an error

    def kept() -> int:
        _drop(dask)
        return len(set(dask._client.futures) - before)

    gc.disable()  # nothing waits for garbage to be collected
    try:
        for _ in dask.map(jobs.whose, range(60)):
            assert kept() < TASKS_AHEAD * max(2, num_cores())
        assert kept() == 0
    finally:
        gc.enable()


@those_that_live_elsewhere
def test_what_is_finished_is_not_done_again_when_another_worker_dies(workers: Workers, tmp_path: Path) -> None:
    done = list(workers.map(jobs.count_or_die_when_others_are_done, [(tmp_path, i) for i in range(6)]))
    assert done == list(range(6))
    assert sorted(path.name[0] for path in tmp_path.glob("?-*")) == list("012345")


@those_that_live_elsewhere
def test_who_stops_listening_leaves_the_workers_free(workers: Workers) -> None:
    for _ in range(3):
        assert next(iter(workers.map(jobs.whose, range(1000)))) != os.getpid()
    assert list(workers.map(jobs.square, [3])) == [9]


@pytest.mark.parametrize("workers", ["processes"], indirect=True)
def test_what_cannot_travel_is_said(workers: Workers) -> None:
    with pytest.raises(UserError, match="a task or its result cannot travel"):
        list(workers.map(jobs.lock, [0]))


class OverOnce(Patience):
    """Is over, once, when the task hangs that leaves the file `hangs`: no clock decides."""

    def __init__(self, hangs: Path) -> None:
        super().__init__()
        self._marker, self._is_used = hangs, False

    @property
    def left(self) -> float:
        if self._is_used:
            return super().left
        while not self._marker.exists():
            time.sleep(0.01)
        return -1.0

    def renew(self, *, hung: bool = False) -> None:
        self._is_used |= hung
        super().renew(hung=hung)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_worker_that_hangs_is_replaced_and_its_work_done_again(kind: str, tmp_path: Path) -> None:
    patience = OverOnce(tmp_path / "hangs")
    workers = ProcessWorkers(2, patience=patience) if kind == "processes" else DaskWorkers("local", patience=patience)
    try:
        (tmp_path / "fine").touch()
        assert list(workers.map(jobs.hang_once, [tmp_path / "fine", tmp_path / "hangs"])) == ["done"] * 2
        assert workers.events.hung == 1
    finally:
        workers.close()


@those_that_live_elsewhere
def test_there_are_two(workers: Workers, tmp_path: Path) -> None:
    assert len(set(workers.map(jobs.meet, [tmp_path] * 8))) == 2


def test_work_that_kills_every_worker_is_given_up_with_a_reason(pools: dict[str, Workers]) -> None:
    with pytest.raises(UserError, match="several workers died at the same work"):
        list(pools["dask"].map(jobs.die, [0]))
    assert list(pools["dask"].map(jobs.square, [5])) == [25]


@every_kind
def test_files_are_placed(workers: Workers, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"first")
    first = workers.place(tmp_path, ("a.bin",))
    assert set(workers.map(jobs.read, [first] * 4)) == {b"first"}


def test_dask_workers_have_files_of_their_own_also_those_that_come_later(
    pools: dict[str, Workers], tmp_path: Path
) -> None:
    dask = pools["dask"]
    (tmp_path / "a.bin").write_bytes(b"second")
    folder = dask.place(tmp_path, ("a.bin",))
    (tmp_path / "a.bin").unlink()
    assert folder == dask.place(_with(tmp_path / "again", b"second"), ("a.bin",)), "the same content is sent once"
    os.kill(next(iter(dask.map(jobs.whose, [0]))), signal.SIGKILL)
    assert set(dask.map(jobs.read, [folder] * 6)) == {b"second"}


def _with(folder: Path, content: bytes) -> Path:
    folder.mkdir()
    (folder / "a.bin").write_bytes(content)
    return folder


def generation(run: RunFolder, workers: Workers) -> list[RolloutTask]:
    controller, best = load_controller(run.controller)
    params = best + 0.1 * np.random.default_rng(0).normal(size=(6, len(best)))
    task = RolloutTask(
        folder=workers.place(run.path, MODELS),
        digest=file_sha256(run.vision) + file_sha256(run.memory),
        env=replace(run.config.env, max_frames=120),
        agent=run.config.agent,
        controller=controller.config,
        params=np.repeat(params, 4, 0).astype(np.float32),
        seeds=tuple(range(2_000_000, 2_000_004)) * 6,
    )
    return task.split(4)


def behind(folder: Path, tasks: list[RolloutTask]) -> list[tuple[Path | None, RolloutTask]]:
    """The same for `jobs.rollout_behind`: all but the first are held until `folder / "open"` is there."""
    return [(folder if i else None, task) for i, task in enumerate(tasks)]


def wait_for(path: Path) -> None:
    """Hangs where it never comes."""
    while not path.exists():
        time.sleep(0.01)


def test_fitness_is_the_same_wherever_it_is_measured_and_whoever_dies(
    pools: dict[str, Workers], tiny_run: RunFolder, tmp_path: Path
) -> None:
    expected = [
        outcome for part in pools["inline"].map(run_rollout, generation(tiny_run, pools["inline"])) for outcome in part
    ]
    assert len({outcome.ret for outcome in expected}) > 6
    for kind in KINDS[1:]:
        workers = pools[kind]
        parts = workers.map(run_rollout, generation(tiny_run, workers))
        assert [outcome for part in parts for outcome in part] == expected
        pid = next(iter(workers.map(jobs.whose, [0])))
        before = workers.events.lost
        (held := tmp_path / kind).mkdir()
        parts = workers.map(jobs.rollout_behind, behind(held, generation(tiny_run, workers) * 3))
        found = list(next(parts))
        wait_for(held / str(pid))
        os.kill(pid, signal.SIGKILL)
        (held / "open").touch()
        assert found + [outcome for part in parts for outcome in part] == expected * 3
        list(workers.map(jobs.square, [1]))
        assert workers.events.lost == before + 1


def test_episodes_are_the_same_wherever_they_are_driven(pools: dict[str, Workers], tmp_path: Path) -> None:
    digests = set()
    for kind, workers in pools.items():
        run = RunFolder.create(tmp_path / kind, load("debug", ["collect.episodes=17", "collect.steps=4"]))
        collect(run, workers, quiet=True)
        digests.add(file_sha256(run.rollouts / "index.jsonl"))
    assert len(digests) == 1
