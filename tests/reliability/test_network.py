"""Nothing is asked of the network, and nothing is offered to it: commands run where every socket that would lead beyond
this machine is refused, and noted, in their own process and in those which they start."""

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from reverie.run.folder import RunFolder

WATCHED = Path(__file__).with_name("watched")


class Watched:
    """Commands that are watched, and what they were refused."""

    def __init__(self, folder: Path) -> None:
        self._noted, self._folder = folder / "refused", folder
        self._noted.touch()
        paths = [str(WATCHED), *sys.path, os.environ.get("PYTHONPATH", "")]
        names = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "SOCKETS_REFUSED": str(self._noted)}
        self._environment = {**os.environ, **names}

    @property
    def refused(self) -> list[str]:
        return self._noted.read_text().splitlines()

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *words],
            env=self._environment,
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *words: str) -> str:
        """What the command said, which must have been able to do what it was asked for."""
        process = self.start(*words)
        said = process.communicate()[0]
        assert process.returncode == 0, said
        return said


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def _commands(*lines: Sequence[str | Path]) -> str:
    """A program that runs commands one after the other, and ends with the first that fails."""
    texts = [[str(word) for word in line] for line in lines]
    return (
        "from reverie.cli.main import main\n"
        "if __name__ == '__main__':\n"
        f"    for line in {texts!r}:\n"
        "        if main(line):\n"
        "            raise SystemExit(' '.join(line))\n"
    )


@pytest.mark.parametrize(
    ("call", "event"),
    [("create_connection(('192.0.2.1', 9), 1)", "socket.getaddrinfo"), ("create_server(('', 0))", "socket.bind")],
)
def test_what_leads_beyond_is_seen(call: str, event: str, watched: Watched) -> None:
    """In a process that another one starts."""
    inner = f"import socket; socket.{call}"
    watched.start("-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])").communicate()
    assert [line.split()[0] for line in watched.refused] == [event]


def test_from_nothing_to_an_agent_and_what_is_made_of_it(watched: Watched, tmp_path: Path) -> None:
    run, worked = tmp_path / "run", ("--workers", "2", "--quiet")
    commands = _commands(
        ("train", "debug", "--run", run, "--set", "env.max_frames=40", *worked),
        ("evaluate", run, "--tracks", "1", "--workers", "0", "--quiet"),
        ("info", run, "--verify", "--quiet"),
        ("export", "web", run, "--out", run / "page.html"),
    )
    watched.run("-c", commands)
    assert (run / "page.html").exists()
    assert watched.refused == []


@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="the extra `cluster`")
def test_a_cluster_of_our_own(watched: Watched, tiny_run: RunFolder) -> None:
    dask = ("--workers", "dask", "--scheduler", "local")
    watched.run("-c", _commands(("evaluate", tiny_run.path, "--tracks", "1", "--quiet", *dask)))
    assert watched.refused == []


@pytest.mark.skipif(importlib.util.find_spec("uvicorn") is None, reason="the extra `web`")
def test_a_page_that_is_served(watched: Watched, tiny_run: RunFolder) -> None:
    process = watched.start("-m", "reverie", "play", str(tiny_run.path), "--web", "--no-browser")
    assert process.stdout is not None
    assert "for this machine alone" in process.stdout.readline()
    assert process.stdout.readline().startswith("http://127.0.0.1:")
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert watched.refused == []
