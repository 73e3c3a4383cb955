"""One finished `debug` run, made through the command line and shared by the tests that only read it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Reverie = Callable[..., "subprocess.CompletedProcess[str]"]


def reverie(*arguments: str | Path, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Runs the command as a user would."""
    command = [sys.executable, "-m", "reverie", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


@pytest.fixture(scope="session")
def debug_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a `debug` run that was never interrupted."""
    path = tmp_path_factory.mktemp("runs") / "debug"
    done = reverie("train", "debug", "--run", path, "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    return path
