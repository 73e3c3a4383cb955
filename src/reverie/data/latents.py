"""Encoded episodes on disk: what V makes of every frame, with the actions, rewards and ends, as memory-mapped arrays.

Files, for n observations, d decisions and e episodes:

    mu.npy, logvar.npy  (n, z) float16   the Gaussian that V gives for each observation
    act.npy             (d, a) float32
    rew.npy             (d,) float32
    end.npy             (d,) bool        true at the last decision where the world ended the episode
    offsets.npy         (e + 1,) int64   where each episode's observations begin; its decisions begin at offset - index
    meta.json           written last: its presence says that the rest is complete
    mirrored/           the same of all frames seen in a mirror, with actions to match, where M learns from those, too

float16 keeps mu to one part in 2000, far within the Gaussian's own width, at half the disk and memory.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from reverie.checkpoint import file_sha256
from reverie.data.arrays import mapped
from reverie.data.episode import Episode
from reverie.errors import UserError
from reverie.reading import read_json, unreadable
from reverie.types import Floats
from reverie.writing import create_array, refused, write_json

MAX_MU = 60_000.0
"""Beyond it float16 overflows; a trained V stays below 10."""

LOGVAR_RANGE = (-20.0, 20.0)
"""Log-variances are clipped to it: exp of half of it stays far inside float32."""


def _layout(n: int, e: int, z: int, a: int) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and dtype of each array."""
    return {
        "mu": ((n, z), "<f2"),
        "logvar": ((n, z), "<f2"),
        "act": ((n - e, a), "<f4"),
        "rew": ((n - e,), "<f4"),
        "end": ((n - e,), "|b1"),
        "offsets": ((e + 1,), "<i8"),
    }


MIRRORED = "mirrored"


class LatentStore:
    """Reads a complete folder of latents. Opening checks names, shapes and sizes; `verify` reads every byte.

    `meta` is what the writer was given, such as the checksum of the V that encoded them. Raises UserError where the
    folder is missing, incomplete or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._cure = "encode again (`reverie encode --again`)"
        if not self.is_complete(folder):
            raise UserError(f"{folder} holds no complete latents: encode the episodes first")
        self._description = read_json(folder / "meta.json")
        self._check_description()
        self.meta: dict[str, Any] = self._description["meta"]
        arrays, layout = dict[str, np.ndarray](), _layout(*(self._description["sizes"][key] for key in "neza"))
        for name, (shape, dtype) in layout.items():
            try:
                arrays[name] = mapped(folder / f"{name}.npy", shape, dtype)
            except UserError as error:
                raise UserError(f"{error}, or {self._cure}") from error
            except OSError as error:  # it is there, and has its size: nothing is to be made anew
                raise unreadable(folder / f"{name}.npy", error) from error
            except ValueError as error:
                raise UserError(f"{folder / name}.npy is damaged ({error}): {self._cure}") from error
        self.mu, self.logvar = arrays["mu"], arrays["logvar"]
        self.act, self.rew, self.end = arrays["act"], arrays["rew"], arrays["end"]
        self.offsets: np.ndarray = np.array(arrays["offsets"])
        if self.offsets[0] != 0 or self.offsets[-1] != len(self.mu) or (np.diff(self.offsets) < 2).any():
            raise UserError(f"{folder / 'offsets.npy'} is damaged: {self._cure}")
        self.num_observations, self.z_size = self.mu.shape
        self.num_decisions, self.a_size = self.act.shape
        self.num_episodes = len(self.offsets) - 1
        self.rounds: list[int] = self.meta.get("rounds", [self.num_episodes])
        """Episodes of each round of collecting, in order."""
        if sum(self.rounds) != self.num_episodes:
            raise UserError(f"{folder / 'meta.json'} is damaged (its rounds): {self._cure}")
        self.decision_offsets: np.ndarray = self.offsets - np.arange(len(self.offsets))
        """Where each episode's decisions begin, (episodes + 1,)."""

    def _check_description(self) -> None:
        """Raises UserError where meta.json is not as it was written: its names, and a kind for each value."""
        found = self._description
        try:
            meta, sizes, sums = found["meta"], found["sizes"], found["sha256"]
            rounds = meta.get("rounds", [])
            is_right = (
                all(type(sizes[key]) is int and 0 < sizes[key] < 2**40 for key in "neza")
                and isinstance(rounds, list)
                and all(type(num) is int and num >= 0 for num in rounds)
                and sums.keys() == {f"{name}.npy" for name in _layout(1, 1, 1, 1)}
                and all(isinstance(sha256, str) for sha256 in (*sums.values(), meta.get("vision_sha256", "")))
            )
        except (KeyError, TypeError, AttributeError):
            is_right = False
        if not is_right:
            raise UserError(f"{self.folder / 'meta.json'} is damaged (it does not say what is there): {self._cure}")

    @staticmethod
    def is_complete(folder: Path) -> bool:
        """Whether `folder` holds latents that were written to the end."""
        return (folder / "meta.json").exists()

    @cached_property
    def mirrored(self) -> LatentStore:
        """The same episodes seen in a mirror. Raises UserError where they have not been encoded."""
        return LatentStore(self.folder / MIRRORED)

    def of_episode(self, index: int) -> tuple[Floats, Floats]:
        """mu and logvar of an episode's frames, (t + 1, z) float32 each."""
        rows = slice(*self.offsets[index : index + 2].tolist())
        return self.mu[rows].astype(np.float32), self.logvar[rows].astype(np.float32)

    def digest(self) -> str:
        """SHA-256 over the checksums of all files: equal for equal content."""
        return hashlib.sha256(json.dumps(self._description["sha256"], sort_keys=True).encode()).hexdigest()

    def verify(self) -> None:
        """Read every file against its checksum; UserError naming the one that is damaged."""
        for name, sha256 in self._description["sha256"].items():
            if file_sha256(self.folder / name) != sha256:
                raise UserError(f"{self.folder / name} is damaged (its checksum does not match): {self._cure}")
        if self.is_complete(self.folder / MIRRORED):
            self.mirrored.verify()

    def __len__(self) -> int:
        return self.num_episodes


class LatentWriter:
    """Writes latents episode by episode, and continues where a killed writer with the same arguments stopped.

    `num_written` says how many episodes are there already. Latents made with other arguments (another V, say) are
    begun afresh.
    """

    def __init__(
        self,
        folder: Path,
        num_observations: int,
        num_episodes: int,
        z_size: int,
        a_size: int,
        meta: Mapping[str, Any],
        *,
        flush_every: int = 50,
    ) -> None:
        if num_episodes < 1:
            raise UserError(f"no episodes to encode into {folder}: collect some first")
        self.folder = folder
        self._sizes = {"n": num_observations, "e": num_episodes, "z": z_size, "a": a_size}
        self._meta = json.loads(json.dumps(dict(meta), allow_nan=False))
        self._flush_every = flush_every
        self._layout = _layout(num_observations, num_episodes, z_size, a_size)
        identity = json.dumps([self._sizes, self._meta], sort_keys=True)
        self._identity = hashlib.sha256(identity.encode()).hexdigest()
        self.num_written = self._num_written()
        self._arrays: dict[str, np.memmap] = {}
        try:
            if not self.num_written:
                for name in ("meta.json", "progress.json"):
                    (folder / name).unlink(missing_ok=True)
            for name, (shape, dtype) in self._layout.items():
                path = folder / f"{name}.npy"
                fresh = not self.num_written
                self._arrays[name] = (
                    create_array(path, shape, np.dtype(dtype)) if fresh else mapped(path, shape, dtype, "r+")
                )
        except OSError as error:
            raise refused(folder, error) from error

    def append(self, mu: Floats, logvar: Floats, episode: Episode) -> None:
        """Add the next episode with its latents, each (t + 1, z) float32; they are safe from a kill at the next flush.

        Raises UserError where V gave latents that are not finite or beyond float16.
        """
        shape = (len(episode) + 1, self._sizes["z"])
        if mu.shape != shape or logvar.shape != shape:
            raise ValueError(f"mu and logvar must be {shape}, not {mu.shape} and {logvar.shape}")
        if self.num_written == self._sizes["e"]:
            raise ValueError(f"all {self.num_written} episodes are written already")
        if not (np.abs(mu) <= MAX_MU).all() or not np.isfinite(logvar).all():
            raise UserError(f"V gives unusable latents for episode {self.num_written}: train the vision stage again")
        arrays, index = self._arrays, self.num_written
        start = int(arrays["offsets"][index])
        stop = start + shape[0]
        if stop > self._sizes["n"]:
            raise ValueError(f"episode {index} ends at observation {stop}, but {self._sizes['n']} were announced")
        arrays["mu"][start:stop] = mu
        arrays["logvar"][start:stop] = np.clip(logvar, *LOGVAR_RANGE)
        decisions = slice(start - index, stop - index - 1)
        arrays["act"][decisions] = episode.act
        arrays["rew"][decisions] = episode.rew
        arrays["end"][decisions] = False
        arrays["end"][stop - index - 2] = episode.end
        arrays["offsets"][index + 1] = stop
        self.num_written += 1
        if self.num_written % self._flush_every == 0:
            self.flush()

    def flush(self) -> None:
        """Bring what is written to the disk, and note how far it goes. Raises UserError where the disk refuses."""
        try:
            for array in self._arrays.values():
                array.flush()
        except OSError as error:
            raise refused(self.folder, error) from error
        write_json(self.folder / "progress.json", {"identity": self._identity, "num_written": self.num_written})

    def close(self) -> None:
        """Flush; and where every episode is written, seal the folder with `meta.json`."""
        self.flush()
        if self.num_written < self._sizes["e"]:
            return
        total = int(self._arrays["offsets"][-1])
        if total != self._sizes["n"]:
            raise ValueError(f"{self._sizes['n']} observations were announced, but {total} written")
        checksums = {f"{name}.npy": file_sha256(self.folder / f"{name}.npy") for name in self._layout}
        write_json(
            self.folder / "meta.json",
            {"meta": self._meta, "sizes": self._sizes, "identity": self._identity, "sha256": checksums},
        )
        try:
            (self.folder / "progress.json").unlink(missing_ok=True)
        except OSError as error:
            raise refused(self.folder, error) from error

    def _num_written(self) -> int:
        """How many episodes a writer with the same arguments left; 0 where a file is not as it was."""
        try:
            progress = read_json(self.folder / "progress.json")
            if progress["identity"] != self._identity:
                return 0
            for name, (shape, dtype) in self._layout.items():
                if (path := self.folder / f"{name}.npy").is_symlink():
                    return 0  # what it names is not ours to write into
                mapped(path, shape, dtype)
            num = progress["num_written"]
            return num if type(num) is int and 0 <= num <= self._sizes["e"] else 0
        except (UserError, OSError, ValueError, KeyError, TypeError):
            return 0

    def __enter__(self) -> LatentWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        if kind is None:
            self.close()
        else:
            self.flush()
