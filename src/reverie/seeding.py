"""One seed, and from it any number of independent, named generators; and who may drive on which track.

A generator is found by name, never by the order in which generators were made: `generator(7, "frames", 3)` is the
same stream in every process, on every machine, before and after a kill. So a sampler needs no saved state.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from reverie.errors import UserError

if TYPE_CHECKING:
    import torch

TEST_TRACKS = range(0, 500_000)
"""CarRacing reset seeds of the tracks that results are reported on.

A track is a pure function of the seed given to Gymnasium's `reset(seed=...)`, so a range of seeds is a set of tracks.
Test tracks are never used for training, nor for choosing a checkpoint or a setting: a score on them says how the agent
drives where neither it nor its makers have been."""

VALIDATION_TRACKS = range(500_000, 1_000_000)
"""Reset seeds of the tracks on which checkpoints and settings are chosen; never trained on."""

TRAINING_TRACKS = range(1_000_000, 2**31 - 1)
"""Reset seeds of the tracks that data are collected and controllers are trained on."""


def _sequence(seed: int, names: tuple[str | int, ...]) -> np.random.SeedSequence:
    if seed < 0:
        raise UserError(f"seed {seed} is negative: give a whole number from 0 upward", usage=True)
    # JSON keeps ("a", "b") apart from ("ab",) and 1 from "1".
    text = json.dumps([name if isinstance(name, str) else int(name) for name in names])
    words = np.frombuffer(hashlib.sha256(text.encode()).digest(), dtype="<u4")
    return np.random.SeedSequence([int(seed), *(int(word) for word in words)])


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """The NumPy generator that belongs to `names` under `seed`; other names give an independent stream."""
    return np.random.Generator(np.random.PCG64(_sequence(seed, names)))


def torch_generator(seed: int, *names: str | int, device: str | torch.device = "cpu") -> torch.Generator:
    """The torch generator that belongs to `names` under `seed`, on `device`."""
    import torch  # here, so that processes which never touch a tensor do not load it

    word = int(_sequence(seed, names).generate_state(1, np.uint64)[0])
    return torch.Generator(device).manual_seed(word >> 1)  # 63 bits: in range for every backend


def sample_tracks(rng: np.random.Generator, num: int, tracks: range = TRAINING_TRACKS) -> list[int]:
    """`num` different reset seeds drawn from `tracks`, in random order.

    Asking a like generator for more gives the same ones first, so that a collection can be enlarged later.
    Raises UserError where `tracks` holds fewer than `num`.
    """
    if num > len(tracks):
        raise UserError(f"{num} tracks asked for, but {tracks} holds {len(tracks)}: ask for fewer", usage=True)
    drawn: dict[int, None] = {}  # in order, each once
    while len(drawn) < num:
        drawn.update(dict.fromkeys(rng.integers(len(tracks), size=256).tolist()))
    return [tracks[i] for i in list(drawn)[:num]]


@contextmanager
def torch_seeded(seed: int, *names: str | int) -> Iterator[None]:
    """Lets torch draw initial weights from the stream of `names`, and leaves its global generator as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_generator(seed, *names).initial_seed())
        yield
