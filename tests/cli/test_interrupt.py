"""Ctrl-C ends a run: at once, however often it comes and whoever works; and no process is left, also after SIGTERM."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

LIMIT_SECONDS = 300
"""Generous: a few seconds on an idle machine; the one that hung did so for ever."""
KINDS = {
    "inline": ("--workers", "0"),
    "processes": ("--workers", "2"),
    "dask": ("--workers", "dask", "--scheduler", "local"),
}
BUSY = {"inline": 0, "processes": 2, "dask": 1}
"""Processes of its own that a run has when it works."""


Start = Callable[[str, Path], subprocess.Popen[str]]


@pytest.fixture(autouse=True)
def _can_be_interrupted() -> Iterator[None]:
    """Where these tests were themselves started in the background, they ignore interrupts, and a run does as well."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a run that would go on for hours, in a process group of its own, as a shell does."""
    runs: list[subprocess.Popen[str]] = []

    def begin(kind: str, path: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "reverie", "collect", "debug", "--run", str(path), *KINDS[kind]]
        command += ["--episodes", "100000", "--steps", "4"]
        runs.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True))
        return runs[-1]

    yield begin
    for run in runs:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.communicate()


def wait_until_it_works(run: subprocess.Popen[str], kind: str, path: Path, *, driving: bool) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    me = psutil.Process(run.pid)
    while time.monotonic() < deadline:
        assert run.poll() is None, run.communicate()[1]
        driven = path / "rollouts" / "index.jsonl"
        begun = len(me.children(recursive=True)) >= BUSY[kind] and (path / "recipe.toml").exists()
        if begun and (not driving or (driven.exists() and driven.stat().st_size)):
            return
        time.sleep(0.05)
    pytest.fail("it does not begin")


def said_at_its_end(run: subprocess.Popen[str]) -> str:
    """Waits for the end of a run and of all the processes that it had when this began; gives what it said."""
    children = psutil.Process(run.pid).children(recursive=True) if run.poll() is None else []
    said = run.communicate(timeout=LIMIT_SECONDS)[1]
    _, alive = psutil.wait_procs(children, timeout=LIMIT_SECONDS)
    assert not alive
    return said


@pytest.mark.parametrize("driving", [False, True], ids=["while it starts", "while it drives"])
@pytest.mark.parametrize("kind", KINDS)
def test_many_interrupts_in_any_rhythm(kind: str, driving: bool, start: Start, tmp_path: Path) -> None:
    path = tmp_path / "run"
    run = start(kind, path)
    wait_until_it_works(run, kind, path, driving=driving)
    children = psutil.Process(run.pid).children(recursive=True)
    for pause in (0.0, 0.01, 0.3, 1.0, 1.0):
        time.sleep(pause)
        if run.poll() is not None:
            break
        os.killpg(run.pid, signal.SIGINT)
    said = said_at_its_end(run)
    assert run.returncode == 130, said
    assert not psutil.wait_procs(children, timeout=LIMIT_SECONDS)[1]
    assert said.count("reverie collect: interrupted, ending; run the same command again to continue\n") == 1
    assert said.count("interrupted") == 1
    assert "Traceback" not in said


def test_one_interrupt_of_the_main_process_alone(start: Start, tmp_path: Path) -> None:
    run = start("processes", tmp_path / "run")
    wait_until_it_works(run, "processes", tmp_path / "run", driving=True)
    run.send_signal(signal.SIGINT)
    assert said_at_its_end(run).count("interrupted, ending") == 1
    assert run.returncode == 130


@pytest.mark.parametrize("kind", ["processes", "dask"])
def test_nobody_is_left_after_sigterm(kind: str, start: Start, tmp_path: Path) -> None:
    run = start(kind, tmp_path / "run")
    wait_until_it_works(run, kind, tmp_path / "run", driving=True)
    children = psutil.Process(run.pid).children(recursive=True)
    assert children
    run.terminate()
    run.communicate(timeout=LIMIT_SECONDS)
    assert run.returncode == -signal.SIGTERM
    assert not psutil.wait_procs(children, timeout=LIMIT_SECONDS)[1]


PROGRAM = """
import sys, time
from reverie.cli import main as cli
def main(verb, arguments):
    print("begins", flush=True)
BODY
sys.modules["reverie.cli.recipes"] = sys.modules[__name__]
sys.argv = ["reverie", "recipes"]
sys.exit(cli.main())
"""


SWALLOWED = """
    while True:
        try:
            time.sleep(1)
        except KeyboardInterrupt:
            pass
"""
COMPILED = """
    exec("time.sleep(600)")
"""


@pytest.mark.parametrize("body", [SWALLOWED, COMPILED], ids=["swallowed", "in a string"])
def test_wherever_an_interrupt_falls_it_ends_the_process(body: str) -> None:
    program = PROGRAM.replace("BODY\n", body)
    run = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stdout is not None
    assert run.stdout.readline() == "begins\n"
    run.send_signal(signal.SIGINT)
    said = run.communicate(timeout=LIMIT_SECONDS)[1]
    assert run.returncode == 130
    assert said == "\nreverie recipes: interrupted, ending; run the same command again to continue\n"
