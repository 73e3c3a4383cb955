"""Workers as the command line asks for them: mistakes, addresses, and what is said of them at the end."""

from pathlib import Path

import pytest

from reverie.cli.main import main
from reverie.errors import UserError
from reverie.run.folder import RunFolder
from reverie.workers.cluster import DaskWorkers, check_address
from reverie.workers.make import make_workers
from tests.workers import jobs

pytestmark = pytest.mark.xdist_group("workers")


def test_what_happened_is_said_at_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with make_workers(0) as workers:
        list(workers.map(jobs.fail_once, [tmp_path / "a"]))
    assert capsys.readouterr().err == "reverie: workers: 1 tasks failed once; all of their work was done again\n"
    with make_workers(0) as workers:
        list(workers.map(jobs.square, [1]))
    assert capsys.readouterr().err == ""


def test_work_that_was_given_up_is_not_said_to_be_done(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError), make_workers(1) as workers:
        list(workers.map(jobs.die, [0]))
    assert capsys.readouterr().err == "reverie: workers: 4 lost\n"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--workers", "dask"], "--workers dask needs --scheduler"),
        (["--scheduler", "local"], "--scheduler goes with --workers dask"),
        (["--workers", "many"], "--workers many: give a number of processes, or dask"),
        (["--workers", "dask", "--scheduler", "tcp://10.1.2.3:8786"], "must be encrypted"),
        (["--workers", "dask", "--scheduler", "10.1.2.3:8786"], "give tls://HOST:PORT, or `local`"),
        (["--workers", "dask", "--scheduler", "tcp://127.0.0.1:99999"], "give tls://HOST:PORT, or `local`"),
        (["--workers", "dask", "--scheduler", "tcp://[::1"], "give tls://HOST:PORT, or `local`"),
    ],
)
def test_mistakes_on_the_command_line(
    options: list[str], says: str, tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    for verb in (
        ["evaluate", str(tiny_run.path), "--tracks", "1"],
        ["controller", "--run", str(tiny_run.path), "--again"],
    ):
        assert main([*verb, *options]) == 2
        said = capsys.readouterr().err
        assert says in said
        assert said.count("\n") == 1


def test_nobody_at_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reverie.workers.cluster.CONNECT_SECONDS", 1)
    with pytest.raises(UserError, match=r"no scheduler answers at tcp://127\.0\.0\.1:9"):
        DaskWorkers("tcp://127.0.0.1:9")


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:1", "tcp://localhost:1", "tcp://[::1]:1", "tls://far.example:8786"]
)
def test_addresses_that_are_safe(address: str) -> None:
    check_address(address)
