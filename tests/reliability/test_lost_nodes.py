"""A cluster whose nodes are lost in the midst of each stage that drives, or whose scheduler is: nothing changes but
time. Here, a node while episodes are collected; all of it in `make soak`."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reverie.data.store import EpisodeStore
from reverie.errors import UserError
from reverie.run import settings
from reverie.run.folder import RunFolder
from reverie.training.pipeline import run_stages
from tests.reliability.runs import made

pytest.importorskip("distributed", reason="the extra `cluster`")

import dask.config

from reverie.workers.cluster import DaskWorkers
from tests.workers.test_cluster import Nodes, started

pytestmark = pytest.mark.xdist_group("workers")
ALL = bool(os.environ.get("REVERIE_SOAK"))
DRIVING = ("collect", "controller", "evaluate")
"""Stages that drive."""


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    (tmp_path / "nodes").mkdir()
    with started(tmp_path / "nodes") as found:
        yield found


def run_for(stage: str, tiny_run: RunFolder, path: Path) -> RunFolder:
    """One that has that stage to do."""
    if stage == "collect":
        return RunFolder.create(path, settings.load("debug", ["collect.episodes=20", "env.max_frames=40", "workers=0"]))
    run = RunFolder.open(shutil.copytree(tiny_run.path, path))
    with run.locked():
        run.forget(stage)
    return run


def while_waiting(monkeypatch: pytest.MonkeyPatch, for_result: int, happens: Callable[[], object]) -> None:
    """Once, when so many results are waited for, and those before are there."""
    waits, waited = DaskWorkers._comes, [0]

    def comes(self: DaskWorkers, futures: Any) -> bool:
        waited[0] += 1
        if waited[0] == for_result:
            happens()
        return waits(self, futures)

    monkeypatch.setattr(DaskWorkers, "_comes", comes)


@pytest.mark.parametrize("stage", DRIVING if ALL else ["collect"])
def test_a_node_is_lost(
    stage: str, nodes: Nodes, tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, run = (run_for(stage, tiny_run, tmp_path / name) for name in ("here", "there"))
    run_stages(alone, (stage,), quiet=True)
    node = nodes.add()
    while_waiting(monkeypatch, 1, lambda: (nodes.add(), nodes.kill(node)))
    run_stages(run, (stage,), scheduler=nodes.address, quiet=True)
    assert run.is_done(stage)
    assert made(run.path) == made(alone.path)
    assert len(nodes.running) == 3, "one was lost"


@pytest.mark.skipif(not ALL, reason="starts two clusters: in `make soak`")
def test_the_scheduler_is_lost_and_found_again(
    nodes: Nodes, tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, run = (run_for("collect", tiny_run, tmp_path / name) for name in ("here", "there"))
    run_stages(alone, ("collect",), quiet=True)
    nodes.add()
    with monkeypatch.context() as patch, dask.config.set({"distributed.comm.timeouts.connect": "2s"}):
        while_waiting(patch, 2, lambda: nodes.kill(nodes.running[0]))
        with pytest.raises(UserError, match=r"the scheduler at .* is gone: start it again"):
            run_stages(run, ("collect",), scheduler=nodes.address, quiet=True)
    assert 0 < len(EpisodeStore(run.rollouts)) < 20
    nodes.start_scheduler(nodes.address.rpartition(":")[2])
    nodes.add()
    run_stages(RunFolder.open(run.path), ("collect",), scheduler=nodes.address, quiet=True)
    assert made(run.path) == made(alone.path)
