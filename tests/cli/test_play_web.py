"""`reverie play --web` as a command."""

import errno
import importlib.util
import os
import signal
import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

import pytest

pytest.importorskip("uvicorn")  # of the extra `web`

from reverie.cli.main import main
from reverie.run.folder import RunFolder
from reverie.web.server import serving
from tests.web.fetch import get


def test_it_says_where_it_is_and_ctrl_c_ends_it(tiny_run: RunFolder):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # which a process in the background ignores
    command = [sys.executable, "-m", "reverie", "play", str(tiny_run.path), "--web", "--no-browser", "--track", "3"]
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    assert process.stdout is not None
    assert process.stdout.readline() == f"{tiny_run.path} in a browser, for this machine alone (Ctrl-C ends):\n"
    address = process.stdout.readline().strip()
    assert urlsplit(address).hostname == "127.0.0.1"
    answer, page = get(address)
    assert answer.status == 200
    assert b"<title>Reverie" in page
    process.send_signal(signal.SIGINT)
    said = process.communicate()[1]
    assert process.returncode == 130
    assert said == "\nreverie play: interrupted, ending; run the same command again to continue\n"


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--port", "0", "--web"], 2, "give 1 or more"),
        (["--port", "70000", "--web"], 2, "give 65535 at most"),
        (["--port", "8000"], 2, "give --web, too"),
        (["--no-browser"], 2, "give --web, too"),
    ],
)
def test_mistakes(tiny_run: RunFolder, options: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]):
    assert main(["play", str(tiny_run.path), *options]) == code
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_no_run(capsys: pytest.CaptureFixture[str], tmp_path: Any):
    assert main(["play", str(tmp_path / "nowhere"), "--web"]) == 1
    error = capsys.readouterr().err
    assert "there is no run in" in error
    assert error.count("\n") == 1


def test_a_port_that_is_taken(tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]):
    with serving([]) as server:
        port = str(urlsplit(server.address).port)
        assert main(["play", str(tiny_run.path), "--web", "--no-browser", "--port", port]) == 1
    error = capsys.readouterr().err
    assert f"--port {port} cannot be had ({os.strerror(errno.EADDRINUSE)})" in error
    assert error.count("\n") == 1


def test_without_the_extra(tiny_run: RunFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "uvicorn" else there(name))
    assert main(["play", str(tiny_run.path), "--web"]) == 1
    assert "uvicorn not installed: `pip install 'reverie[web]'`" in capsys.readouterr().err
