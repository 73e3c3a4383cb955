"""Compiled functions work wherever numba can keep their machine code, and where it cannot."""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba.core import caching

import reverie
from reverie.compiled import compiled, compiled_with

NOBODY = "65534"


def double(x):
    return 2 * x


def kept() -> Any:
    return compiled(kept=True)(double)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, of this test alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def only_in(folder: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """numba can write into this folder alone."""
    original = caching._CacheLocator.ensure_cache_path

    def ensure(self: Any) -> None:
        if folder is None or not Path(self.get_cache_path()).is_relative_to(folder):
            raise PermissionError(errno.EACCES, "Permission denied")
        original(self)

    monkeypatch.setattr(caching._CacheLocator, "ensure_cache_path", ensure)


def test_without_a_folder_to_write_to_a_temporary_one_keeps_the_code(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_in(temporary, monkeypatch)
    assert kept()(4) == 8
    (folder,) = temporary.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.rglob("*.nbc"))
    again = kept()
    assert again(4) == 8
    assert sum(again.stats.cache_hits.values()) == 1


def test_without_any_folder_it_is_compiled_for_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    only_in(None, monkeypatch)
    assert kept()(4) == 8


NUMBER, NUMBERS, here = 3, np.array([1.0, 2.0]), sys.modules[__name__]


@compiled()
def inner(x):
    return x * NUMBER


def outer(x):
    return inner(x) + NUMBERS[0] + here.NUMBER


@pytest.mark.parametrize(
    ("name", "value"), [("NUMBER", 4), ("NUMBERS", np.array([1.5, 2.0])), ("inner", compiled()(double))]
)
def test_what_a_function_is_compiled_with_is_all_that_it_names(
    name: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = compiled_with(outer)
    assert compiled_with(outer) == before
    monkeypatch.setitem(globals(), name, value)
    assert compiled_with(outer) != before


def test_code_that_was_compiled_with_other_numbers_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """They may come from another file, or another package: that of the function itself has not changed."""
    only_in(Path(tempfile.gettempdir()), monkeypatch)
    assert [compiled(kept=True)(outer)(1.0) for _ in range(2)] == [7.0, 7.0]
    monkeypatch.setitem(globals(), "NUMBERS", np.array([1.5, 2.0]))
    assert compiled(kept=True)(outer)(1.0) == 7.5


def test_all_processes_share_the_code() -> None:
    code = (
        "from reverie.compiled import compiled_with; "
        "from reverie.envs.car_racing import contacts, frames, raster, solver, track; "
        "kept = raster.render_64, raster.render_96, track._make_track, frames._advance; "
        "called = solver._solve, contacts._begin, contacts._end; "
        "print(*map(compiled_with, [*(each.py_func for each in kept), *(each.function for each in called)]))"
    )
    words = [sys.executable, "-W", "ignore", "-c", code]
    said = {subprocess.run(words, capture_output=True, text=True, check=True).stdout for _ in range(2)}
    assert len(said) == 1
    assert len(set(said.pop().split())) == 7


def _open_to_all(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


def _elsewhere(folder: Path) -> None:
    (folder.parent / "theirs").mkdir(mode=0o700)
    folder.symlink_to(folder.parent / "theirs")


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="a temporary folder is the user's own")
@pytest.mark.parametrize("prepare", [_open_to_all, _elsewhere])
def test_code_is_not_read_from_where_others_can_write(
    prepare: Callable[[Path], None], temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_in(temporary, monkeypatch)
    prepare(temporary / f"reverie-numba-{os.getuid()}")
    assert kept()(4) == 8
    assert not list(temporary.rglob("*.nb*"))


@pytest.mark.parametrize("method", ["save", "load"])
def test_a_disk_that_is_full_or_fails_costs_time_only(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(caching.IndexDataCacheFile, method, refuse)
    assert kept()(4) == 8


@pytest.fixture
def for_everyone() -> Iterator[Path]:
    """A folder that every user can look into."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(
    not (shutil.which("setpriv") and os.getuid() == 0), reason="only root can be somebody else, and needs setpriv"
)
def test_a_package_of_root_serves_a_user_without_a_home(for_everyone: Path) -> None:
    """Who may read all files, since Python itself may lie in root's home, but may write nowhere save in /tmp.

    Every function is decorated, and one of those that are kept, the quickest to compile, is called.
    """
    package = for_everyone / "reverie"
    shutil.copytree(
        Path(reverie.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__", "shipped", "judges")
    )
    temporary = for_everyone / "tmp"
    temporary.mkdir()
    temporary.chmod(0o1777)
    script = (
        "import gymnasium, reverie.envs; gymnasium.make('reverie/CarRacing-v3'); "
        "import numpy as np; from reverie.envs.car_racing.track import make_edges; "
        "points, edges = np.array([[0.0, 0.0, 5.0, 7.0]]), np.empty((1, 4)); "
        "make_edges(points, np.zeros(1, np.bool_), edges, np.empty(1, np.int64)); "
        "print(reverie.__file__, edges[0, 1:4:2])"
    )
    as_nobody = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]
    to_read = ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]
    done = subprocess.run(
        [*as_nobody, *to_read, sys.executable, "-W", "ignore", "-c", script],
        env={"HOME": "/nonexistent", "PYTHONPATH": str(for_everyone), "TMPDIR": str(temporary)},
        cwd=for_everyone,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{package / '__init__.py'} [7. 7.]\n"
    assert list((temporary / f"reverie-numba-{NOBODY}").rglob("*.nbc"))
