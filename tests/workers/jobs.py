"""Work for workers, in a module that they can import."""

import os
import signal
import threading
import time
import uuid
from pathlib import Path

import torch

from reverie.errors import UserError
from reverie.rollout import Outcome, RolloutTask, run_rollout
from reverie.workers.contract import located


def square(x: int) -> int:
    return x * x


def threads(_: int) -> int:
    return torch.get_num_threads()


def fail(x: int) -> int:
    raise ValueError(f"no {x}")


def refuse(_: int) -> int:
    raise UserError("choose another", usage=True)


def fail_once(marker: Path) -> str:
    return _once(marker, lambda: 1 / 0)


def die_once(marker: Path) -> str:
    return _once(marker, lambda: os.kill(os.getpid(), signal.SIGKILL))


def hang_once(marker: Path) -> str:
    return _once(marker, lambda: time.sleep(600))


def _once(marker: Path, mishap) -> str:
    if not marker.exists():
        marker.touch()
        mishap()
    return "done"


class Box:
    """Something that a weak reference can follow."""


def box(_: int) -> Box:
    return Box()


def count(task: tuple[Path, int]) -> int:
    """Leaves a file for each time that it is done."""
    folder, i = task
    (folder / f"{i}-{uuid.uuid4().hex}").touch()
    return i


def count_or_die_when_others_are_done(task: tuple[Path, int]) -> int:
    """The first task waits for three others, and then dies, once."""
    folder, i = task
    if i == 0 and not (folder / "died").exists():
        while len(list(folder.glob("?-*"))) < 3:
            time.sleep(0.01)
        (folder / "died").touch()
        die(i)
    return count(task)


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def lock(_: int) -> object:
    return threading.Lock()


def read(folder: Path) -> bytes:
    return (located(folder) / "a.bin").read_bytes()


def meet(folder: Path) -> int:
    """The number of this process, as soon as it is not the only one that came to the folder."""
    (folder / str(os.getpid())).touch()
    while len(list(folder.iterdir())) < 2:
        time.sleep(0.01)
    return os.getpid()


def meet_and_wait(folder: Path) -> None:
    """Comes to the folder, and stays."""
    (folder / str(os.getpid())).touch()
    while True:
        time.sleep(600)


def wait_for_others(task: tuple[Path, int]) -> int:
    """The first task waits until three others are done."""
    folder, i = task
    while i == 0 and len(list(folder.iterdir())) < 3:
        time.sleep(0.01)
    (folder / str(i)).touch()
    return i


def large(data: bytes) -> bytes:
    """More than any pipe holds, there and back."""
    return data[::-1]


def want_it_all(_: int) -> int:
    """More memory than there is."""
    return len(bytearray(2**62))


def rollout_behind(task: tuple[Path | None, RolloutTask]) -> list[Outcome]:
    """Drives; where a folder is given, as soon as somebody has opened it (`hold`)."""
    folder, driven = task
    if folder:
        (folder / str(os.getpid())).touch()
        while not (folder / "open").exists():
            time.sleep(0.01)
    return run_rollout(driven)


def whose(_: int) -> int:
    time.sleep(0.05)
    return os.getpid()
