"""Worker processes that cannot start, or die again and again, and what a user's script needs to start some: nothing."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reverie.errors import UserError
from reverie.workers import pool
from reverie.workers.contract import Events
from reverie.workers.processes import ProcessWorkers
from tests.workers import jobs

pytestmark = pytest.mark.xdist_group("workers")


def test_workers_that_keep_dying_are_given_up_with_a_reason() -> None:
    workers = ProcessWorkers(1)
    try:
        with pytest.raises(
            UserError, match=r"worker processes died 4 times \(killed by SIGKILL; out of memory\?\): use"
        ):
            list(workers.map(jobs.die, [0]))
    finally:
        workers.close()


def test_where_no_worker_can_be_started_any_more_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    started, start = [], pool._start

    def once() -> Any:
        if started:
            raise BlockingIOError("no more processes")
        started.append(start())
        return started[0]

    monkeypatch.setattr(pool, "_start", once)
    workers = ProcessWorkers(1)
    try:
        with pytest.raises(BlockingIOError, match="no more processes"):
            list(workers.map(jobs.die, range(3)))
    finally:
        workers.close()


def test_a_worker_that_cannot_start_says_why_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "threadpoolctl.py").write_text("raise ImportError('another package of this name')")
    monkeypatch.syspath_prepend(tmp_path)
    workers = ProcessWorkers(2)
    try:
        with pytest.raises(UserError, match=r"could not start \(ImportError: another package of this name\): see"):
            list(workers.map(jobs.square, range(4)))
        assert workers.events == Events()
    finally:
        workers.close()


SCRIPT = """
import math, sys
from reverie.workers.make import make_workers
print("begins")
with make_workers(WHAT) as workers:
    print(list(workers.map(math.factorial, range(6))), __name__)
"""


@pytest.mark.parametrize("how", ["script", "pipe"])
@pytest.mark.parametrize("what", ["2", "0, 'local'"])
def test_a_script_needs_no_guard(how: str, what: str, tmp_path: Path) -> None:
    script = SCRIPT.replace("WHAT", what)
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "script.py" if how == "script" else "-"],
        input=script if how == "pipe" else "",
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("begins\n[1, 1, 2, 6, 24, 120] __main__\n", "")
    assert done.returncode == 0
