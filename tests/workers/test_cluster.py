"""A real scheduler and worker nodes, each a process of its own on loopback, as on a cluster."""

import gc
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dask.config
import psutil
import pytest
from distributed import LocalCluster
from distributed.security import Security

from reverie.cli.main import main
from reverie.data.store import EpisodeStore
from reverie.devices import num_cores
from reverie.errors import UserError
from reverie.rollout import run_rollout
from reverie.run import settings
from reverie.run.folder import RunFolder
from reverie.training.pipeline import run_stages
from reverie.workers.cluster import DaskWorkers, versions
from reverie.workers.contract import Patience
from reverie.workers.inline import InlineWorkers
from reverie.workers.local_cluster import PATIENT
from tests.workers import jobs
from tests.workers.test_workers import OverOnce, behind, generation, wait_for

pytestmark = pytest.mark.xdist_group("workers")
LIMIT_SECONDS = 300
"""For an answer that comes at once, if it comes."""


class Nodes:
    """A scheduler, and workers that are started as a user would."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "scheduler.json"
        self.folder = folder
        self.running = []
        self.start_scheduler("0")

    def start_scheduler(self, port: str) -> None:
        """At a port, which is any for 0."""
        self.file.unlink(missing_ok=True)
        self.running.append(self._start("scheduler", "--port", port, "--scheduler-file", str(self.file)))
        while not (self.file.exists() and self.file.read_text()):
            assert self.running[-1].poll() is None, "the scheduler ended"
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


@contextmanager
def started(folder: Path) -> Iterator[Nodes]:
    found = Nodes(folder)
    try:
        yield found
    finally:
        for node in found.running:
            if node.poll() is None:
                found.kill(node)


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    with started(tmp_path) as found:
        yield found


def test_a_node_that_is_killed_in_the_middle_changes_nothing_but_time(
    nodes: Nodes, tiny_run: RunFolder, tmp_path: Path
) -> None:
    inline = InlineWorkers()
    expected = [outcome for part in inline.map(run_rollout, generation(tiny_run, inline)) for outcome in part] * 6
    (met := tmp_path / "met").mkdir()
    (held := tmp_path / "held").mkdir()
    first = nodes.add()
    nodes.add()
    workers = DaskWorkers(nodes.address)
    try:
        both = set(workers.map(jobs.meet, [met] * 8))
        assert len(both) == 2
        parts = workers.map(jobs.rollout_behind, behind(held, generation(tiny_run, workers) * 6))
        found = list(next(parts))
        for pid in both:
            wait_for(held / str(pid))
        nodes.kill(first)
        (held / "open").touch()
        found += [outcome for part in parts for outcome in part]
        assert found == expected
        assert list(workers.map(jobs.square, range(3))) == [0, 1, 4]
        assert workers.events.lost == 1
        nodes.add()  # a node that joins drives too, with the same models
        parts = workers.map(run_rollout, generation(tiny_run, workers) * 6)
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


WORLDS = Path(__file__).parents[1] / "worlds"
"""Where `tinypix` is, a package of environments as a user might write it."""


def collected(path: Path, scheduler: str | None) -> str:
    """The digest of some episodes in a world that a module of the user's registers, driven by the workers of a
    scheduler, or in this process."""
    given = ["env.id=tinypix:TinyPix-v0", "collect.episodes=10", "collect.steps=6", "env.max_frames=24", "workers=0"]
    run = RunFolder.create(path, settings.load("debug", given))
    run_stages(run, ("collect",), scheduler=scheduler, quiet=True)
    return EpisodeStore(run.rollouts).digest()


def test_workers_import_what_registers_the_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(WORLDS))
    here = collected(tmp_path / "here", None)
    assert collected(tmp_path / "own cluster", "local") == here
    (tmp_path / "nodes").mkdir()
    with started(tmp_path / "nodes") as nodes:
        nodes.add()
        assert collected(tmp_path / "elsewhere", nodes.address) == here


def test_a_worker_that_does_not_find_the_module_is_named(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes.add()
    monkeypatch.syspath_prepend(str(WORLDS))
    with pytest.raises(UserError, match=r"^on the worker \S+: env\.id 'tinypix:.*: module tinypix cannot be imported"):
        collected(tmp_path / "run", nodes.address)


def test_nobody_to_work_is_said(nodes: Nodes) -> None:
    workers = DaskWorkers(nodes.address, patience=Patience(2))
    try:
        with pytest.raises(UserError, match=r"nothing came from the workers of tcp://.* for 2 seconds: start some"):
            list(workers.map(jobs.square, [1]))
    finally:
        workers.close()


@contextmanager
def local_cluster(**options: Any) -> Iterator[Any]:
    options = {"dashboard_address": "127.0.0.1:0", **options}
    with dask.config.set(PATIENT), LocalCluster(host="127.0.0.1", **options) as cluster:
        yield cluster


def test_a_scheduler_that_is_gone_is_said(nodes: Nodes) -> None:
    nodes.add()
    workers = DaskWorkers(nodes.address)
    try:
        found = workers.map(jobs.whose, range(500))
        next(found)
        with dask.config.set({"distributed.comm.timeouts.connect": "2s"}):
            nodes.kill(nodes.running[0])
            with pytest.raises(UserError, match=r"the scheduler at tcp://.* is gone: start it again"):
                list(found)
    finally:
        workers.close()


def test_a_worker_that_is_sent_away_is_not_lost_and_one_that_hangs_is_not_counted_twice(tmp_path: Path) -> None:
    with local_cluster(n_workers=2, threads_per_worker=1) as cluster:
        workers = DaskWorkers(cluster.scheduler_address)
        found = workers.map(jobs.whose, range(60))
        next(found)
        workers._client.retire_workers([next(iter(workers._client.scheduler_info(n_workers=-1)["workers"]))])
        assert len([*found]) == 59
        assert workers.events.lost == 0
        workers.close()
        workers = DaskWorkers(cluster.scheduler_address, patience=OverOnce(tmp_path / "hangs"))
        assert list(workers.map(jobs.hang_once, [tmp_path / "hangs"])) == ["done"]
        assert workers.events.hung == 1
        assert workers.events.lost == 0
        workers.close()


def test_a_worker_whose_restart_takes_long_is_not_given_up(tmp_path: Path) -> None:
    with dask.config.set(dict.fromkeys(PATIENT, "0s")):  # as if any restart took too long
        workers: Any = DaskWorkers("local")
        try:
            assert list(workers.map(jobs.die_once, [tmp_path / "died"])) == ["done"]
            assert len(workers._own.cluster.workers) == num_cores()
        finally:
            workers.close()


def test_a_worker_with_several_threads_does_one_task_at_a_time(tiny_run: RunFolder) -> None:
    inline = InlineWorkers()
    expected = [outcome for part in inline.map(run_rollout, generation(tiny_run, inline)) for outcome in part]
    with local_cluster(n_workers=1, threads_per_worker=4) as cluster:
        workers = DaskWorkers(cluster.scheduler_address)
        parts = workers.map(run_rollout, generation(tiny_run, workers))
        assert [outcome for part in parts for outcome in part] == expected
        workers.close()


def test_another_version_of_what_results_depend_on_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reverie.workers.cluster.versions", lambda: versions() | {"numpy": "1.0"})
    workers = DaskWorkers("local")
    try:
        with pytest.raises(UserError, match=r"a worker has numpy .*, this machine 1\.0: install the same"):
            list(workers.map(jobs.square, [1]))
    finally:
        workers.close()


def test_the_local_cluster_listens_on_loopback_only() -> None:
    workers = DaskWorkers("local")
    try:
        me = psutil.Process()
        sockets = [c for p in (me, *me.children(recursive=True)) for c in p.net_connections("inet")]
        assert {c.laddr[0] for c in sockets if c.status == "LISTEN"} <= {"127.0.0.1", "::1"}
    finally:
        workers.close()


def test_nobody_else_reaches_the_local_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    workers = DaskWorkers("local")
    cluster = workers._own.cluster  # pyright: ignore[reportOptionalMemberAccess]
    scheduler = cluster.scheduler_address
    addresses = [scheduler, *cluster.scheduler_info["workers"], *(nanny.address for nanny in cluster.workers.values())]
    try:
        assert list(workers.map(jobs.square, range(3))) == [0, 1, 4]
        assert all(address.startswith("tls://127.0.0.1:") for address in addresses)
        assert_refused(scheduler)
        ours, other, none = (tls(security) for security in (cluster.security, Security.temporary(), None))
        for address in addresses:
            assert told(address, ours)
            assert not told(address, other)
            assert not told(address, none)
            assert told(address, None)[:1] in (b"", TLS_ALERT)
        page = f"http://127.0.0.1:{cluster.scheduler.http_server.port}/info/main/workers.html"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(page)
    finally:
        workers.close()
    assert capsys.readouterr().err == ""


def assert_refused(scheduler: str) -> None:
    """Without a certificate."""
    with pytest.raises(UserError, match=r"no scheduler answers at tls://.* certificates"):
        DaskWorkers(scheduler)
    gc.collect()  # a client of distributed that could not connect, collected while another starts, stops that one


TLS_ALERT = b"\x15"
"""What a record of TLS begins with that says what is wrong, and no more."""


def tls(security: Security | None) -> ssl.SSLContext:
    """Of one who has the certificate of `security`, or none, and asks nobody for theirs."""
    if security:
        context: ssl.SSLContext = security.get_connection_args("client")["ssl_context"]
    else:
        context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def told(address: str, context: ssl.SSLContext | None) -> bytes:
    """The first that one hears who connects, encrypted or not, and says something; nothing where one is refused."""
    where = urlsplit(address)
    connection = socket.create_connection((where.hostname, where.port), timeout=LIMIT_SECONDS)
    try:
        with context.wrap_socket(connection) if context else connection as connection:
            connection.sendall(bytes(64))
            return connection.recv(4096)
    except TimeoutError:
        raise
    except OSError:
        return b""


def test_loopback_without_encryption_is_warned_of(nodes: Nodes, capsys: pytest.CaptureFixture[str]) -> None:
    DaskWorkers(nodes.address).close()
    said = capsys.readouterr().err
    assert said == f"reverie: {nodes.address} is not encrypted: others on this machine can run programs as you\n"


def test_encrypted_and_only_for_those_with_a_certificate() -> None:
    security = Security.temporary()
    with local_cluster(n_workers=1, threads_per_worker=1, protocol="tls", security=security) as cluster:
        address = cluster.scheduler_address
        assert address.startswith("tls://")
        assert_refused(address)
        known = {
            "distributed.comm.tls.ca-file": security.tls_ca_file,
            "distributed.comm.tls.client.cert": security.tls_client_cert,
            "distributed.comm.tls.client.key": security.tls_client_key,
        }
        with dask.config.set(known):
            workers = DaskWorkers(address)
            assert list(workers.map(jobs.square, range(3))) == [0, 1, 4]
            workers.close()
