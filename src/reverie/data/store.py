"""Episodes on disk: one compressed `.npz` each, and an index that names them in order with their checksums.

Workers pack episodes (`pack_episode`); the main process alone writes them, in order, so that workers need not see its
disk. An episode is in the store once its line is in the index; a file without one was left by a kill, and is written
over when its number comes round again.

Several stores may share a file: `adopt` links those of another one instead of copying them.

An episode file holds obs (t + 1, 64, 64, 3) uint8, action (t, a) float32, reward (t,) float32, done (t,) bool (true at
the last decision where the world ended the episode) and trunc () bool. It opens with `np.load(allow_pickle=False)`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy as np

from reverie.data.arrays import Layout, unzipped
from reverie.data.episode import Episode
from reverie.errors import UserError
from reverie.reading import parse_json, read_bytes
from reverie.writing import open_to_append, refused, require_there, write_atomically

# 600 frames of CarRacing, one core, write and read frames/s and size: np.savez_compressed (level 6, it has no choice)
# 7300, 69000, 12.6 times smaller; level 1: 23000, 55000, 8.5; level 2: 22500, 58000, 9.2; level 3: 17000, 64000, 10.4.
COMPRESSION_LEVEL = 2

MAX_DECISIONS = 100_000
"""Of an episode, which is held in memory whole: `collect.steps` and `env.max_frames` allow no more."""
_MAX_INDEX, _MAX_REST = 2**29, 2**20
"""Bytes of an index, of a million episodes; and of an episode file beside those of its frames, which zip cannot make
larger than thrice what they are."""

_CURE = "restore it from a copy, or collect again (`reverie collect --again`)"


class About(TypedDict, total=False):
    """What else the index may say of an episode."""

    round: int
    """In which round it was collected; the first, 0, where it does not say."""
    driver: str
    """Who drove."""
    start: tuple[float, float, float] | None
    """Where the car started (`reverie.envs.vector.Start`); None for the usual place."""


class Entry(About):
    """A line of the index."""

    file: str
    num_decisions: int
    sha256: str
    seed: int
    """What the environment was reset with; 0 where others collected it and do not say."""
    episode_return: float
    """Sum of the rewards."""


def episode_file(index: int) -> str:
    """The name of the file of episode `index`."""
    return f"episode_{index:06}.npz"


class Packed(NamedTuple):
    """An episode for `EpisodeStore.append`: its line of the index, and its file."""

    entry: Entry
    data: bytes


def pack_episode(index: int, episode: Episode, seed: int, about: About | None = None) -> Packed:
    """`episode` as number `index` of a store, and what else is to stand in its index. The same gives the same bytes."""
    done = np.zeros(len(episode), bool)
    done[-1] = episode.end
    arrays = {
        "obs": episode.obs,
        "action": episode.act,
        "reward": episode.rew,
        "done": done,
        "trunc": np.array(episode.trunc, bool),
    }
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION_LEVEL) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:  # dated 1980, whenever it is written
                np.lib.format.write_array(member, np.ascontiguousarray(array).reshape(array.shape), allow_pickle=False)
    entry = Entry(
        file=episode_file(index),
        num_decisions=len(episode),
        sha256=hashlib.sha256(data.getbuffer()).hexdigest(),
        seed=int(seed),
        episode_return=float(episode.rew.sum(dtype=np.float64)),
        **(about or {}),
    )
    return Packed(entry, data.getvalue())


class EpisodeStore:
    """The episodes in `folder`, in the order they were appended; `store[i]` reads one and checks it.

    A last line of the index that a kill cut short does not count, and the next `append` replaces it. One process
    appends at a time. Raises UserError where the index cannot be read otherwise.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index_path = folder / "index.jsonl"
        self.entries, self._size = _read_index(self.index_path)

    def append(self, packed: Packed) -> None:
        """Takes in what `pack_episode` packed; episodes come in order. It is on the disk when this returns."""
        entry = packed.entry
        if entry["file"] != episode_file(len(self)):
            raise ValueError(f"expected {episode_file(len(self))} next, not {entry['file']}")
        with write_atomically(self.folder / entry["file"]) as file:
            file.write(packed.data)
        self._note([entry])

    def adopt(self, other: EpisodeStore, first: int = 0) -> None:
        """Takes in all episodes of `other`, which this store must have from number `first` on: those that are still
        missing. Their files are linked, or copied where the file system has no links.

        Raises UserError where this store has others there, or a file is missing.
        """
        theirs = [Entry(**{**entry, "file": episode_file(first + i)}) for i, entry in enumerate(other.entries)]
        have = len(self) - first
        if have < 0 or self.entries[first : first + len(theirs)] != theirs[:have]:
            raise UserError(
                f"{self.folder} does not have the episodes of {other.folder} from number {first} on: restore them from "
                "a copy, or collect again (`reverie collect --again`)"
            )
        for entry, own in zip(other.entries[have:], theirs[have:], strict=True):
            _link(other.folder / entry["file"], self.folder / own["file"])
        if theirs[have:]:
            self._note(theirs[have:])

    def _note(self, entries: list[Entry]) -> None:
        """Adds lines to the index, whose files are on the disk."""
        lines = b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)
        try:
            require_there(self.folder)
            self.folder.mkdir(parents=True, exist_ok=True)
            with open_to_append(self.index_path) as file:
                file.truncate(self._size)  # what a kill left of a line
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise refused(self.index_path, error) from error
        self._size += len(lines)
        self.entries += entries

    @property
    def rounds(self) -> list[int]:
        """Episodes of each round of collecting, in order."""
        return [len(list(group)) for _, group in groupby(self.entries, key=lambda entry: entry.get("round", 0))]

    @property
    def num_decisions(self) -> int:
        """Decisions in all episodes."""
        return sum(entry["num_decisions"] for entry in self.entries)

    @property
    def num_frames(self) -> int:
        """Observations in all episodes: one more than decisions in each."""
        return self.num_decisions + len(self)

    def offsets(self) -> np.ndarray:
        """Where each episode's observations begin when all are laid end to end, (episodes + 1,) int64."""
        return np.cumsum([0, *(entry["num_decisions"] + 1 for entry in self.entries)], dtype=np.int64)

    def rows_of(self, episodes: Iterable[int]) -> np.ndarray:
        """Where the observations of `episodes` are, so laid, in their order."""
        offsets = self.offsets()
        rows = [np.arange(offsets[i], offsets[i + 1]) for i in episodes]
        return np.concatenate(rows) if rows else np.empty(0, np.int64)

    def digest(self) -> str:
        """SHA-256 over the checksums of all episodes: equal for equal content."""
        return hashlib.sha256("\n".join(entry["sha256"] for entry in self.entries).encode()).hexdigest()

    def verify(self) -> None:
        """Reads every episode's file against its checksum; UserError naming the one that is damaged."""
        for entry in self.entries:
            self._bytes(entry)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Episode:
        """Episode `index`; UserError naming its file where that is missing or not what was written."""
        entry = self.entries[index]
        path, t = self.folder / entry["file"], entry["num_decisions"]
        data = self._bytes(entry)
        try:
            arrays = unzipped(io.BytesIO(data), _layout(t))
            return Episode(
                obs=arrays["obs"],
                act=arrays["action"],
                rew=arrays["reward"],
                end=bool(arrays["done"][-1]),
                trunc=bool(arrays["trunc"]),
            )
        except ValueError as error:
            raise UserError(f"{path} is damaged ({error}): {_CURE}") from error

    def _bytes(self, entry: Entry) -> bytes:
        """The content of an episode's file; errors as `__getitem__`."""
        path = self.folder / entry["file"]
        try:
            data = read_bytes(path, (entry["num_decisions"] + 1) * 2**15 + _MAX_REST)
        except UserError as error:
            raise UserError(f"{error}, or collect again (`reverie collect --again`)") from error
        if hashlib.sha256(data).hexdigest() != entry["sha256"]:
            raise UserError(f"{path} is damaged (its checksum does not match): {_CURE}")
        return data


def _layout(t: int) -> Layout:
    """Of an episode of t decisions."""
    return {
        "obs": ((t + 1, 64, 64, 3), "|u1"),
        "action": ((t, -1), "<f4"),
        "reward": ((t,), "<f4"),
        "done": ((t,), "|b1"),
        "trunc": ((), "|b1"),
    }


def _link(source: Path, path: Path) -> None:
    """The file `source` at `path`, too. Episodes are never written into, so that both may be the same."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    require_there(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.hardlink_to(source)
        except FileNotFoundError:
            raise
        except OSError:  # no links here, or none to there
            shutil.copyfile(source, temporary)
        temporary.replace(path)
        temporary.unlink(missing_ok=True)  # where both were the same file already, replacing does nothing
    except OSError as error:
        raise UserError(
            f"cannot take {source} into {path.parent}: {error.strerror}; restore it, or make room"
        ) from error


def _read_index(path: Path) -> tuple[list[Entry], int]:
    """The entries, and the number of bytes that they take."""
    if not path.exists() and not path.is_symlink():
        return [], 0
    data, cure = read_bytes(path, _MAX_INDEX), "collect again (`reverie collect --again`)"
    whole = data.rfind(b"\n") + 1
    entries: list[Entry] = []
    for line in data[:whole].splitlines():
        where = f"{path}, line {len(entries) + 1}"
        try:
            entry = parse_json(line)
        except ValueError as error:
            raise UserError(f"{where} is damaged ({error}): restore it from a copy, or {cure}") from error
        if not _is_entry(entry):
            raise UserError(f"{where} is not an episode: restore it from a copy, or {cure}")
        if entry["file"] != episode_file(len(entries)):
            raise UserError(f"{where} names {entry['file']!r}: restore it from a copy, or {cure}")
        entries.append(entry)
    return entries, whole


def _is_entry(entry: Any) -> bool:
    """Whether a line of the index is one of ours, each value of its kind."""
    if not isinstance(entry, dict) or entry.keys() - About.__optional_keys__ != Entry.__required_keys__:
        return False
    start = entry.get("start")
    return (
        all(isinstance(entry[key], str) for key in ("file", "sha256"))
        and all(type(entry.get(key, 0)) is int and entry.get(key, 0) >= 0 for key in ("num_decisions", "seed", "round"))
        and 0 < entry["num_decisions"] <= MAX_DECISIONS
        and isinstance(entry.get("driver", ""), str)
        and isinstance(entry["episode_return"], int | float)
        and (start is None or (isinstance(start, list) and all(isinstance(number, int | float) for number in start)))
    )
