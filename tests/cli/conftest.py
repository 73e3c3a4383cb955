"""One finished `debug` run, made through the command line and shared by the tests that only read it."""

import contextlib
import io
import subprocess
import sys
from pathlib import Path

import pytest

from reverie.cli.main import main

Done = subprocess.CompletedProcess[str]


def reverie(*arguments: str | Path, cwd: Path | None = None) -> Done:
    """Runs the command in this process: what it says and returns are the same, and torch is imported already."""
    words = [str(word) for word in arguments]
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(cwd or Path.cwd()),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        try:
            code = main(words)
        except SystemExit as end:  # of --help
            code = int(end.code or 0)
    return Done(["reverie", *words], code, stdout.getvalue(), stderr.getvalue())


def reverie_in_a_process(*arguments: str | Path, cwd: Path | None = None) -> Done:
    """Runs the command as a user would, where it matters that the process is another."""
    command = [sys.executable, "-m", "reverie", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


@pytest.fixture(scope="session")
def debug_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a `debug` run that was never interrupted."""
    path = tmp_path_factory.mktemp("runs") / "debug"
    done = reverie_in_a_process("train", "debug", "--run", path, "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    return path
