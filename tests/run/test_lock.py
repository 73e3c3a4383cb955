"""One process at a time in a run, on file systems with locks and without."""

import errno
import subprocess
import sys
from pathlib import Path
from typing import Any

import filelock
import pytest

from reverie.errors import UserError
from reverie.run.lock import locked
from tests.processes import python

HOLD = "import sys; from pathlib import Path; from reverie.run.lock import locked"
DIE = f"{HOLD}; import os; lock = locked(Path(sys.argv[1])); lock.__enter__(); os._exit(9)"
WITHOUT = [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP]


def flock_fails(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def acquire(_: Any) -> None:
        raise OSError(number, "No locks available")

    monkeypatch.setattr(filelock.FileLock, "_acquire", acquire)


def test_a_second_one_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    for _ in range(2):
        with (
            locked(tmp_path),
            pytest.raises(UserError, match="is in use by another process: wait, or choose another"),
            locked(tmp_path),
        ):
            pass


def test_a_process_that_died_holds_nothing(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", DIE, tmp_path], check=False).returncode == 9
    with locked(tmp_path):
        pass


@pytest.mark.parametrize("number", WITHOUT)
def test_without_locks_a_file_takes_their_place_and_it_is_said(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flock_fails(number, monkeypatch)
    with locked(tmp_path):
        (said,) = capsys.readouterr().err.splitlines()
        assert "has no locks (No locks available)" in said
        with pytest.raises(UserError, match=r"in use by another process.*remove .*\.lock\.soft"), locked(tmp_path):
            pass
    assert not (tmp_path / ".lock.soft").exists()


def test_the_lock_file_of_a_dead_process_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flock_fails(errno.ENOLCK, monkeypatch)
    script = (
        "import os, sys, filelock; lock = filelock.SoftFileLock(sys.argv[1] + '/.lock.soft'); "
        "lock.acquire(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", script, tmp_path], check=False).returncode == 9
    assert (tmp_path / ".lock.soft").exists()
    with locked(tmp_path):
        pass


def test_a_folder_that_refuses_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def acquire(_: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(filelock.FileLock, "_acquire", acquire)
    with pytest.raises(UserError, match=r"cannot lock .*: Permission denied; make it writable"), locked(tmp_path):
        pass


def test_a_system_without_fcntl_can_import_it_all() -> None:
    code = "import sys; sys.modules['fcntl'] = None; import reverie.cli.main, reverie.training.pipeline"
    python("-W", "ignore", "-c", code)
