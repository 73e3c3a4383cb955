"""One contract for both kinds of workers; a worker that dies is replaced."""

import os
import signal
from pathlib import Path

import pytest
import torch

from reverie.errors import UserError
from reverie.workers.pool import ProcessWorkers, make_workers


def square(x: int) -> int:
    return x * x


def threads(_: int) -> int:
    return torch.get_num_threads()


def fail(x: int) -> int:
    raise ValueError(f"no {x}")


def die_once(marker: Path) -> str:
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_results_come_in_order_on_one_thread_and_errors_arrive(num_workers: int) -> None:
    before = torch.get_num_threads()
    with make_workers(num_workers) as workers:
        assert list(workers.map(square, range(7))) == [x * x for x in range(7)]
        assert set(workers.map(threads, range(3))) == {1}
        with pytest.raises(ValueError, match="no 3"):
            list(workers.map(fail, [3]))
        assert list(workers.map(square, [5])) == [25]
    assert torch.get_num_threads() == before


def test_a_killed_worker_is_replaced_and_its_task_run_again(tmp_path: Path) -> None:
    workers = ProcessWorkers(2)
    try:
        tasks = [tmp_path / f"{i}" for i in range(3)]
        tasks[0].touch()
        tasks[2].touch()
        assert list(workers.map(die_once, tasks)) == ["done"] * 3
        assert workers.num_restarts >= 1
    finally:
        workers.close()


def test_workers_that_keep_dying_are_given_up_with_a_reason() -> None:
    workers = ProcessWorkers(1)
    try:
        with pytest.raises(UserError, match="worker processes died 4 times"):
            list(workers.map(die, [0]))
    finally:
        workers.close()
