"""A real scheduler and worker nodes, each a process of its own on loopback, as on a cluster."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.config
import pytest
from distributed import LocalCluster
from distributed.security import Security

from reverie.cli.main import main
from reverie.errors import UserError
from reverie.rollout import drive
from reverie.run_folder import RunFolder
from reverie.workers.cluster import DaskWorkers
from reverie.workers.inline import InlineWorkers
from tests.workers import jobs
from tests.workers.test_workers import generation

pytestmark = pytest.mark.xdist_group("workers")


class Nodes:
    """A scheduler, and workers that are started as a user would."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "scheduler.json"
        self.folder = folder
        self.running = [self._start("scheduler", "--port", "0", "--scheduler-file", str(self.file))]
        for _ in range(600):
            if self.file.exists() and self.file.read_text():
                break
            time.sleep(0.1)
        self.address = json.loads(self.file.read_text())["address"]

    def add(self) -> subprocess.Popen:
        options = ("--nthreads", "1", "--nworkers", "1", "--local-directory", str(self.folder))
        node = self._start("worker", self.address, *options)
        self.running.append(node)
        return node

    def _start(self, what: str, *options: str) -> subprocess.Popen:
        command = [str(Path(sys.executable).with_name("dask")), what, "--host", "127.0.0.1", "--no-dashboard", *options]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with (self.folder / f"{what}.log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)

    def kill(self, node: subprocess.Popen) -> None:
        """As if the machine were gone: the worker, and the nanny that would start it again."""
        os.killpg(node.pid, signal.SIGKILL)
        node.wait()


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    found = Nodes(tmp_path)
    yield found
    for node in found.running:
        if node.poll() is None:
            found.kill(node)


def test_a_node_that_is_killed_in_the_middle_changes_nothing_but_time(nodes: Nodes, tiny_run: RunFolder) -> None:
    inline = InlineWorkers()
    expected = [outcome for part in inline.map(drive, generation(tiny_run, inline)) for outcome in part] * 6
    first = nodes.add()
    nodes.add()
    workers = DaskWorkers(nodes.address)
    try:
        assert len(set(workers.map(jobs.whose, range(100)))) == 2
        parts = workers.map(drive, generation(tiny_run, workers) * 6)
        found = list(next(parts))
        killer = threading.Timer(0.2, nodes.kill, [first])
        killer.start()
        found += [outcome for part in parts for outcome in part]
        killer.join()
        assert found == expected
        assert list(workers.map(jobs.square, range(3))) == [0, 1, 4]
        assert workers.events.lost == 1
        nodes.add()  # a node that joins drives too, with the same models
        parts = workers.map(drive, generation(tiny_run, workers) * 6)
        assert [outcome for part in parts for outcome in part] == expected
    finally:
        workers.close()


def test_a_score_from_the_cluster_is_the_score(
    nodes: Nodes, tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes.add()
    command = ["evaluate", str(tiny_run.path), "--tracks", "3", "--renderer", "fast", "--json", "--quiet"]
    found = []
    for options in ([], ["--workers", "dask", "--scheduler", nodes.address]):
        assert main([*command, *options]) == 0
        found.append(json.loads(capsys.readouterr().out)["returns"])
    assert found[0] == found[1]


def test_nobody_to_work_is_said(nodes: Nodes) -> None:
    workers = DaskWorkers(nodes.address, hang_seconds=2)
    try:
        with pytest.raises(UserError, match=r"nothing came from the workers of tcp://.* for 2 seconds: start some"):
            list(workers.map(jobs.square, [1]))
    finally:
        workers.close()


def test_encrypted_and_only_for_those_with_a_certificate() -> None:
    security = Security.temporary()
    cluster: Any = LocalCluster(
        n_workers=1, threads_per_worker=1, protocol="tls", host="127.0.0.1", security=security, dashboard_address=""
    )
    with cluster:
        address = cluster.scheduler_address
        assert address.startswith("tls://")
        with pytest.raises(UserError, match=r"no scheduler answers at tls://.* certificates"):
            DaskWorkers(address)
        known = {
            "distributed.comm.tls.ca-file": security.tls_ca_file,
            "distributed.comm.tls.client.cert": security.tls_client_cert,
            "distributed.comm.tls.client.key": security.tls_client_key,
        }
        with dask.config.set(known):
            workers = DaskWorkers(address)
            assert list(workers.map(jobs.square, range(3))) == [0, 1, 4]
            workers.close()
