"""Folders of a process: whose are removed, and whose are not."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reverie import scratch

MAKE = "import time; from reverie.scratch import make; print(make(), flush=True); time.sleep({})"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are."""
    (place := tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    monkeypatch.setenv("TMPDIR", str(place))
    return place


@pytest.fixture
def another(place: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that lives, and its folder."""
    assert place.exists()
    made = subprocess.Popen([sys.executable, "-c", MAKE.format(600)], stdout=subprocess.PIPE, text=True)
    assert made.stdout
    with made.stdout:
        yield made, Path(made.stdout.readline().strip())
    made.kill()
    made.wait()


def test_a_folder_is_private_and_goes_when_it_is_told_to(place: Path) -> None:
    with scratch.temporary() as folder:
        assert list(place.iterdir()) == [folder]
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "in" / "it").mkdir(parents=True)
    assert not list(place.iterdir())


def test_it_goes_with_its_process(place: Path) -> None:
    subprocess.run([sys.executable, "-c", MAKE.format(0)], check=True, capture_output=True)
    assert not list(place.iterdir())


def test_what_one_leaves_that_is_killed_goes_with_the_next(
    another: tuple[subprocess.Popen[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, folder = another
    monkeypatch.setattr(scratch, "_SEMAPHORES", tmp_path)
    kept, left = tmp_path / "sem.mp-ab12cd34", tmp_path / f"sem.{folder.name}-ab12cd34"
    for path in (kept, left, folder / "file"):
        path.touch()
    scratch.sweep()
    assert (folder / "file").exists(), "it lives"
    assert left.exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    with scratch.temporary():
        pass
    assert not folder.exists()
    assert (kept.exists(), left.exists()) == (True, False)


def test_nothing_of_others_is_removed(place: Path) -> None:
    """Folders that others may write to, which may be somebody's trap; links; and what is called otherwise."""
    names = ("reverie-p-abcdefgh", "reverie-p-12345678", "mine", "reverie-p")
    trap, link, other, bare = (place / name for name in names)
    for folder in (trap, other, bare):
        folder.mkdir(mode=0o700)
        (folder / scratch.ALIVE).touch()
    trap.chmod(0o770)
    link.symlink_to(other)
    scratch.sweep()
    assert {path.name for path in place.iterdir()} == set(names)
    (trap / scratch.ALIVE).unlink()
    trap.chmod(0o700)
    os.mkfifo(trap / scratch.ALIVE)
    scratch.sweep()  # waits for nobody
