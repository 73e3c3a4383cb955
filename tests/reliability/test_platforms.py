"""What only Linux has, or only POSIX, is not needed to read a run and to see it drive; where it is, that is said."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reverie.errors import UserError
from reverie.run.folder import RunFolder
from reverie.workers.local_cluster import OwnCluster
from reverie.workers.processes import ProcessWorkers
from tests.processes import python

ELSEWHERE = """
import importlib, os, pkgutil, signal, sys
import av, Box2D, filelock, gymnasium.envs.box2d, matplotlib.pyplot, multiprocessing.util, numba, rich.console
import safetensors.torch, scipy.stats, tempfile, torch, tyro  # what others need of a system is theirs to see to

MODULES = ("fcntl", "grp", "posix", "pwd", "resource", "syslog", "termios", "tty", "_posixsubprocess", "_posixshmem")
CALLS = (
    *("fork", "forkpty", "getuid", "geteuid", "killpg", "mkfifo", "posix_fallocate", "posix_spawn", "register_at_fork"),
    *("sched_getaffinity", "setsid", "statvfs", "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW"),
)
SIGNALS = ("SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "alarm", "pthread_sigmask", "setitimer")
sys.modules.update(dict.fromkeys(MODULES))
for module, names in ((os, CALLS), (signal, SIGNALS)):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
sys.platform = os.name = "elsewhere"

import reverie
from reverie.cli.main import VERBS, main

for verb in VERBS:
    if verb not in ("vision", "encode", "memory", "controller"):
        importlib.import_module(f"reverie.cli.{verb}")
for each in pkgutil.walk_packages(reverie.__path__, "reverie."):
    try:
        if not each.name.endswith("__main__"):
            importlib.import_module(each.name)
    except ModuleNotFoundError as error:  # an extra
        assert error.name not in MODULES, each.name
run, video = sys.argv[1:]
sys.exit(
    main(["watch", run, "--output", video, "--quiet"])
    or main(["evaluate", run, "--tracks", "1", "--workers", "0", "--quiet"])
    or main(["info", run, "--quiet"])
)
"""
"""A program that has what macOS and Windows have."""


def test_everything_is_imported_and_an_agent_watched_without_what_only_linux_has(
    tiny_run: RunFolder, tmp_path: Path
) -> None:
    (tmp_path / "reverie-p-12345678").mkdir(mode=0o700)  # as a process leaves one that was killed
    python("-W", "ignore", "-c", ELSEWHERE, tiny_run.path, tmp_path / "drive.mp4", TMPDIR=str(tmp_path))
    assert (tmp_path / "drive.mp4").stat().st_size > 1000


@pytest.mark.parametrize("make", [lambda: ProcessWorkers(2), OwnCluster])
def test_what_windows_cannot_start_is_said(make: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="the extra `cluster`")
    said = ""
    with monkeypatch.context() as patch:
        patch.setattr(os, "name", "nt")
        try:
            make()
        except UserError as error:
            said = str(error)
    assert "Linux or macOS: use --workers 0" in said
