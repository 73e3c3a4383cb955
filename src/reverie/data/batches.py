"""Batches for training: frames for V, sequences of latents for M.

A sampler's `batch(step)` is a pure function of the seed and the step. So training that was killed continues with the
batches it would have had, and nothing needs to be saved.

Shapes: b batch, t decisions, z latent, a action; frames are (64, 64, 3) uint8.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from reverie.checkpoint import file_sha256
from reverie.data.arrays import mapped
from reverie.data.latents import LatentStore
from reverie.data.store import EpisodeStore
from reverie.errors import UserError
from reverie.reading import read_json
from reverie.seeding import generator
from reverie.types import Frames, SequenceBatch
from reverie.writing import create_array, refused, write_json


class FrameCache:
    """All observations of a store, uncompressed, as one memory-mapped array: `frames` (n, 64, 64, 3) uint8.

    Built at `path` (an `.npy`) on first use, and again where the store has changed since, or the file, which is read
    against its checksum; `progress` is called with the number of frames done. A build that was killed is begun again.
    Raises UserError where the disk is too small.
    """

    def __init__(self, store: EpisodeStore, path: Path, progress: Callable[[int], None] | None = None) -> None:
        self.offsets: np.ndarray = store.offsets()
        """Where each episode's frames begin, (episodes + 1,): `frames[offsets[i]:offsets[i + 1]]` is episode i."""
        self._path = path
        self._sidecar = path.with_suffix(".json")
        self._source = {"digest": store.digest(), "num_frames": store.num_frames}
        frames = self._open()
        if frames is None:
            self._build(store, progress)
            frames = self._open()
        if frames is None:
            raise UserError(f"{path} changed while it was being built: let only one process build it")
        self.frames: Frames = frames

    def _open(self) -> Frames | None:
        """The cache, or None where it is missing, damaged, or of another store."""
        try:
            if read_json(self._sidecar) != {**self._source, "sha256": file_sha256(self._path)}:
                return None
            return mapped(self._path, (self._source["num_frames"], 64, 64, 3), "|u1")
        except (UserError, OSError, ValueError):
            return None

    def _build(self, store: EpisodeStore, progress: Callable[[int], None] | None) -> None:
        shape = (store.num_frames, 64, 64, 3)
        if not len(store):
            raise UserError(f"{store.folder} holds no episodes: collect some first")
        temporary = self._path.with_suffix(".partial.npy")
        try:
            for old in (self._sidecar, self._path, temporary):
                old.unlink(missing_ok=True)
            frames = create_array(temporary, shape, np.dtype(np.uint8))
            with temporary.open("rb") as file:
                digest = hashlib.sha256(file.read(frames.offset))  # of what is to be there, not of what is
            for i in range(len(store)):
                obs = store[i].obs
                frames[self.offsets[i] : self.offsets[i + 1]] = obs
                digest.update(np.ascontiguousarray(obs).data)
                if progress is not None:
                    progress(int(self.offsets[i + 1]))
            frames.flush()
            del frames
            temporary.replace(self._path)
        except OSError as error:
            raise refused(self._path, error) from error
        write_json(self._sidecar, {**self._source, "sha256": digest.hexdigest()})


class FrameSampler:
    """Batches of frames, by their numbers, in random order: each epoch sees every one of `rows` (m,) once, but for a
    last incomplete batch."""

    def __init__(self, rows: np.ndarray, batch_size: int, seed: int) -> None:
        if len(rows) < batch_size:
            raise UserError(f"{len(rows)} frames do not fill a batch of {batch_size}: collect more, or lower the size")
        self._rows = rows
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = -1
        self._order = np.empty(0, np.int64)
        self.steps_per_epoch = len(rows) // batch_size

    def batch(self, step: int) -> np.ndarray:
        """The numbers of the frames of training step `step`, (b,) int64, rising: that is kinder to a disk."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._order = generator(self._seed, "frames", epoch).permutation(self._rows)
            self._epoch = epoch
        return np.sort(self._order[position * self._batch_size : (position + 1) * self._batch_size])


class SequenceSampler:
    """Random windows of `length` decisions over encoded episodes; long episodes are drawn the more often.

    An episode shorter than `length` is taken whole and padded. `episodes` (rising) restricts the draw, to those held
    out for validation, say. With `mirror`, half of the windows are seen in a mirror. A share `newest` of the windows is
    drawn from the last `num_newest` episodes alone. With `to_ends`, a window begins at any decision, and is padded
    beyond the end: so the last decision is in as many windows as one in the middle, and anywhere in them. Else it is in
    one of all windows that have room in the episode. Latents are drawn from what V holds possible, whose deviation
    counts `latent_noise` times: 0 gives their means. `lost` (d,) bool are decisions of all episodes at which the driver
    had failed: for M the episode ended with the one before them, and what they led to is masked.
    """

    def __init__(
        self,
        latents: LatentStore,
        batch_size: int,
        length: int,
        seed: int,
        *,
        episodes: Sequence[int] | np.ndarray | None = None,
        mirror: bool = False,
        newest: float = 0.0,
        num_newest: int = 0,
        latent_noise: float = 1.0,
        to_ends: bool = False,
        lost: np.ndarray | None = None,
    ) -> None:
        chosen = np.arange(latents.num_episodes) if episodes is None else np.asarray(episodes, np.int64)
        if not len(chosen):
            raise UserError("no episodes to draw sequences from: collect more")
        self._newest = newest if num_newest else 0.0
        self._num_older = len(chosen) - num_newest
        self._latents = latents
        self._mirrored = latents.mirrored if mirror else None
        self._batch_size = batch_size
        self._length = length
        self._to_ends = to_ends
        self._seed = seed
        self._latent_noise = latent_noise
        self._lost = lost
        self._episodes = chosen
        self._num = np.diff(latents.decision_offsets)[chosen]  # decisions of each
        self._ends = np.cumsum(self._num)

    def batch(self, step: int) -> SequenceBatch:
        """The windows of training step `step`, on the CPU."""
        b, t, store = self._batch_size, self._length, self._latents
        rng = generator(self._seed, "sequences", step)
        drawn = rng.integers(self._ends[-1], size=b)
        if self._newest:
            older = self._ends[self._num_older - 1] if self._num_older else 0
            drawn = np.where(rng.random(b) < self._newest, rng.integers(older, self._ends[-1], size=b), drawn)
        pick = np.searchsorted(self._ends, drawn, side="right")
        num = self._num[pick]
        start = rng.integers(num if self._to_ends else np.maximum(num - t, 0) + 1)
        within = start[:, None] + np.arange(t + 1)  # (b, t + 1), counted in the episode
        mask = within[:, :-1] < num[:, None]
        episode = self._episodes[pick][:, None]
        at_obs = store.offsets[episode] + np.minimum(within, num[:, None])
        decision = np.minimum(within[:, :-1], num[:, None] - 1)
        at = store.decision_offsets[episode] + decision
        has_prev = mask & (within[:, :-1] > 0)

        mu, logvar, act = store.mu[at_obs], store.logvar[at_obs], store.act[at]
        if (mirrored := self._mirrored) is not None:
            rows = np.flatnonzero(rng.random(b) < 0.5)
            mu[rows], logvar[rows], act[rows] = (
                mirrored.mu[at_obs[rows]],
                mirrored.logvar[at_obs[rows]],
                mirrored.act[at[rows]],
            )
        mu, std = torch.from_numpy(mu).float(), torch.from_numpy(logvar).float().mul_(0.5).exp_()
        noise = torch.from_numpy(rng.standard_normal(mu.shape, np.float32))
        valid = torch.from_numpy(mask).float()
        end = store.end[at]
        if (lost := self._lost) is not None:
            is_last = decision == num[:, None] - 1
            end = end | (lost[np.minimum(at + 1, len(lost) - 1)] & ~is_last)
            mask = mask & ~lost[at]
        seen = torch.from_numpy(within <= num[:, None]).float()
        return SequenceBatch(
            z=noise.mul_(std).mul_(self._latent_noise).add_(mu).mul_(seen[..., None]),
            act=torch.from_numpy(act) * valid[..., None],
            rew=torch.from_numpy(store.rew[at]) * valid,
            prev_rew=torch.from_numpy(np.where(has_prev, store.rew[np.maximum(at - 1, 0)], np.float32(0))),
            end=torch.from_numpy(end & mask).float(),
            mask=torch.from_numpy(mask).float(),
        )
