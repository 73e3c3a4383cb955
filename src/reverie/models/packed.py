"""An agent as one file, `agent.zip`: which files it may hold, how it is written, and how one is read that anybody may
have written.

Its members are stored as they are, not compressed: the same content gives the same bytes on every machine, and nothing
unpacks to more than what was sent. Nothing in it is code. Who unpacks it by other means has a run's folder.
"""

import contextlib
import hashlib
import os
import re
import stat
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from reverie import scratch
from reverie.challenge import IN_WORDS
from reverie.errors import UserError
from reverie.reading import MAX_TEXT, MAX_TOML, open_regular, unreadable
from reverie.writing import refused, write_atomically

CARD, SUMS = "README.md", "SHA256SUMS"
MAX_MODEL = 512 * 2**20
"""Bytes of a file of tensors in it: a hundred times what the largest recipe makes."""
MAX_MEMBERS = 256
MAX_BYTES = 2**31 - 2**20
"""In all, beyond which a zip takes another form."""
NAMES = {
    CARD: 2**20,
    SUMS: 2**16,
    "recipe.toml": 4 * MAX_TOML,
    "manifest.json": MAX_TEXT,
    "vision.safetensors": MAX_MODEL,
    "memory.safetensors": MAX_MODEL,
    "dream.safetensors": MAX_MODEL,
    "controller.safetensors": MAX_MODEL,
}
"""What it must hold, and the most bytes of each."""
FURTHER = {
    r"evaluation\.json": MAX_TEXT,
    rf"evaluations/(gymnasium|fast)_\d{{1,9}}_from_\d{{1,9}}(_({'|'.join(IN_WORDS)}))?\.json": MAX_TEXT,
    r"(memory|dream)\.[1-9]\d?\.safetensors": MAX_MODEL,
}
"""What it may hold beside that, as patterns: what was measured of the agent, and the members of an ensemble."""
_END, _END_SIZE, _LARGE = b"PK\x05\x06", 22, b"PK\x06\x07"
"""How the last record of a zip begins, how long it is without a comment, and what stands before it in a zip64."""
_MAX_DIRECTORY = 2**16
_SUM = re.compile(r"([0-9a-f]{64})  ([\w./]+)")
_CURE = "take another copy, or unpack it and name the folder, if you trust where it comes from"

_UNPACKED: dict[tuple[int, str, int, int], tuple[Path, Path]] = {}
"""What was unpacked: process, path, time and size of an archive -> its folder, and the archive as it was named."""


def write_packed(path: Path, files: Mapping[str, bytes]) -> None:
    """Writes an archive of these files and their checksums, atomically. The same content gives the same bytes. Raises
    UserError where there are more of them, or larger ones, than `unpacked` takes."""
    sums = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    content = {CARD: files[CARD], SUMS: sums.encode()} | {name: files[name] for name in sorted(files)}
    for name, data in content.items():
        if len(data) > (limit := _limit(name) or 0):
            raise UserError(f"{name} has {len(data):,} bytes, where {limit:,} are the most: share the run's folder")
    if len(content) > MAX_MEMBERS or sum(map(len, content.values())) > MAX_BYTES:
        raise UserError(f"more than {MAX_MEMBERS} files, or {MAX_BYTES:,} bytes in all: share the run's folder")
    with write_atomically(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=False) as archive:
        for name, data in content.items():
            info = zipfile.ZipInfo(name)  # dated 1980, whenever it is written
            info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, data)


def unpacked(path: Path) -> Path:
    """The folder of the agent in an archive: a private one that goes when this process ends (see `scratch`). A second
    call for the same file gives the same folder.

    Raises UserError where the file is no archive of an agent, holds what it must not or more than it may, or is
    damaged.
    """
    with open_regular(path) as file:
        found = os.fstat(file.fileno())
        key = (os.getpid(), str(path.resolve()), found.st_mtime_ns, found.st_size)
        if key not in _UNPACKED:
            _UNPACKED[key] = _unpack(path, file), path
    return _UNPACKED[key][0]


def archive_of(folder: Path) -> Path | None:
    """The archive that this folder was unpacked from in this process, if any."""
    return next((path for made, path in _UNPACKED.values() if made == folder), None)


def remove_unpacked() -> None:
    """Removes all folders that this process has made."""
    for key in [key for key in _UNPACKED if key[0] == os.getpid()]:  # not those of the process that forked it
        scratch.remove(_UNPACKED.pop(key)[0])


def _unpack(path: Path, file: BinaryIO) -> Path:
    folder = scratch.make()
    with contextlib.ExitStack() as unless_whole:
        unless_whole.callback(scratch.remove, folder)
        try:
            _require_small_directory(file)
            with zipfile.ZipFile(file) as archive:
                members = _members(archive, os.fstat(file.fileno()).st_size)
                sums = {name: _copy(archive, info, folder / name) for name, info in members.items()}
            _require_whole(folder / SUMS, sums)
        except (zipfile.BadZipFile, struct.error, ArithmeticError, EOFError, LookupError, RuntimeError) as error:
            raise _no_agent(path, f"it cannot be read as a zip: {error}") from error
        except ValueError as error:
            raise _no_agent(path, str(error)) from error
        except OSError as error:
            raise unreadable(path, error) from error
        unless_whole.pop_all()
    return folder


def _limit(name: str) -> int | None:
    """The most bytes that a member of this name may have; None where there may be none."""
    return NAMES.get(name) or next((limit for rule, limit in FURTHER.items() if re.fullmatch(rule, name)), None)


def _no_agent(path: Path, reason: str) -> UserError:
    first = (reason.splitlines() or [""])[0][:200]
    return UserError(f"{path} is no agent that `reverie pack` made ({first}): {_CURE}")


def _require_small_directory(file: BinaryIO) -> None:
    """Before `zipfile` reads the list of members, which may be as long as the file: ValueError where it is long."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END_SIZE - 20))
    last = file.read()
    end = last[-_END_SIZE:]
    if len(end) < _END_SIZE or not end.startswith(_END) or end[-2:] != b"\0\0":
        raise ValueError("it is no zip, or not a whole one")
    if last.startswith(_LARGE):
        raise ValueError("it is a zip for more than 4 GB")
    num, directory = struct.unpack("<10xHL6x", end)
    if num > MAX_MEMBERS or directory > _MAX_DIRECTORY:
        raise ValueError(f"it has {num:,} members, and a list of them of {directory:,} bytes")


def _members(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """Its members by name. Raises ValueError where one is missing, not among those that may be there, there twice, no
    plain file, packed, or too large; `size` is that of the archive, beyond which they cannot go."""
    found = dict[str, zipfile.ZipInfo]()
    for info in archive.infolist():
        name, kind = info.orig_filename, stat.S_IFMT(info.external_attr >> 16)
        if (limit := _limit(name)) is None or name != info.filename:
            raise ValueError(f"{name[:60]!r} does not belong in it")
        if name in found:
            raise ValueError(f"{name} is in it twice")
        if kind not in (0, stat.S_IFREG) or info.flag_bits & 1:
            raise ValueError(f"{name} is no plain file")
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise ValueError(f"{name} is compressed")
        if info.file_size > limit:
            raise ValueError(f"{name} has {info.file_size:,} bytes, where {limit:,} are the most")
        found[name] = info
    if missing := NAMES.keys() - found.keys():
        raise ValueError(f"{min(missing)} is missing")
    if sum(info.file_size for info in found.values()) > size:
        raise ValueError("its members overlap")
    return found


def _copy(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> str:
    """Writes one member, no more of it than was said; gives its SHA-256."""
    digest, left = hashlib.sha256(), info.file_size
    with archive.open(info) as source:
        try:
            target.parent.mkdir(exist_ok=True)
            target.touch(exist_ok=False)
        except OSError as error:
            raise refused(target, error) from error
        while left and (piece := source.read(min(left, 2**20))):
            digest.update(piece)
            try:
                with target.open("ab") as writing:  # closed with each piece, since a full disk is heard of there, too
                    writing.write(piece)
            except OSError as error:
                raise refused(target, error) from error
            left -= len(piece)
    if left:
        raise ValueError(f"{info.filename} is cut short")
    return digest.hexdigest()


def _require_whole(path: Path, sums: Mapping[str, str]) -> None:
    """Raises ValueError where the checksums of the members, but for that of their list, are not those in the list."""
    lines = path.read_bytes().decode("ascii").splitlines()
    matches = [_SUM.fullmatch(line) for line in lines]
    said = {match[2]: match[1] for match in matches if match}
    if len(said) != len(lines):
        raise ValueError(f"{SUMS} is no list of checksums")
    if wrong := {name for name in said.keys() | sums.keys() - {SUMS} if said.get(name) != sums.get(name)}:
        raise ValueError(f"the checksum of {min(wrong)} does not match")
