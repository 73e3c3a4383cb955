"""Workers that die, hang, run out of memory, are slow, or say half of what they have to say; and whose main process is
killed: no work is lost, and nothing stays."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reverie import scratch
from reverie.errors import UserError
from reverie.workers import child, pool
from reverie.workers.contract import Workers
from reverie.workers.processes import ProcessWorkers
from tests.reliability.sessions import kill_session, of_session
from tests.workers import jobs
from tests.workers.test_workers import OverOnce


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = ProcessWorkers(2)
    yield made
    made.close()


def test_a_slow_one_keeps_nobody_waiting(workers: Workers, tmp_path: Path) -> None:
    tasks = [(tmp_path, i) for i in range(6)]
    assert list(workers.map(jobs.wait_for_others, tasks)) == list(range(6))


def test_more_than_a_pipe_holds(workers: Workers) -> None:
    """Main process and worker may both have much to say at the same time."""
    sent = [bytes([i]) * 2**20 + b"end" for i in range(8)]
    assert list(workers.map(jobs.large, sent)) == [data[::-1] for data in sent]


def test_out_of_memory_is_said_and_the_worker_goes_on(workers: Workers) -> None:
    with pytest.raises(UserError, match=r"a worker failed twice at the same work \((MemoryError|OverflowError)"):
        list(workers.map(jobs.want_it_all, [0]))
    assert list(workers.map(jobs.square, [3])) == [9]


HALF = """
import os, struct, time
from multiprocessing.connection import Connection
def half(number):
    connection = Connection(number)
    connection.send_bytes(b"")
    connection.recv_bytes()
    os.write(number, struct.pack("!i", 1000) + b"only this")
    open({marker!r}, "w").close()
    time.sleep(600)
"""
"""A worker that is stopped in the midst of its answer."""


def test_half_of_an_answer_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker, whole = tmp_path / "said half", child.PROGRAM
    half = f"{HALF.format(marker=str(marker))}\nimport sys; half(int(sys.argv[1]))"
    start = pool._start

    def started() -> object:
        monkeypatch.setattr(pool, "PROGRAM", whole if marker.exists() else half)
        return start()

    monkeypatch.setattr(pool, "_start", started)
    workers = ProcessWorkers(1, patience=OverOnce(marker))
    try:
        assert list(workers.map(jobs.square, [3, 4])) == [9, 16]
        assert workers.events.hung == 1
    finally:
        workers.close()


@pytest.mark.parametrize("kind", ["processes", "a cluster of its own"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, None])
def test_nothing_outlives_the_main_process(
    kind: str, how: signal.Signals | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a process, nor a file among the temporary ones, nor a semaphore, once another one has begun; also where
    all processes are killed at once (`how` is None), and nobody is left who would tidy up."""
    if kind != "processes":
        pytest.importorskip("distributed", reason="the extra `cluster`")
    (met := tmp_path / "met").mkdir()
    (temporary := tmp_path / "temporary").mkdir()
    paths = os.pathsep.join(filter(None, [*sys.path, os.environ.get("PYTHONPATH", "")]))
    main = subprocess.Popen(
        [sys.executable, "-m", "tests.reliability.ends", kind, str(met)],
        env={**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": paths},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while not list(met.iterdir()):
            assert main.poll() is None, "it ended by itself"
            time.sleep(0.05)
        names = [path.name for path in temporary.iterdir()]
        assert len(names) == (kind != "processes")
        if how is None:
            kill_session(main.pid)
        else:
            main.send_signal(how)
        main.wait()
        while of_session(main.pid):
            time.sleep(0.05)
        monkeypatch.setattr(tempfile, "tempdir", str(temporary))
        scratch.sweep()
        assert not list(temporary.iterdir())
        assert not [path for name in names for path in Path("/dev/shm").glob(f"sem.{name}*")]
    finally:
        kill_session(main.pid)
