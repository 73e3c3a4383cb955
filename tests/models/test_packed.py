"""An agent as one file, which anybody may have written."""

import contextlib
import hashlib
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest

from reverie.errors import UserError
from reverie.models import packed
from reverie.models.packed import CARD, MAX_MEMBERS, NAMES, SUMS, archive_of, remove_unpacked, unpacked, write_packed
from reverie.scratch import ALIVE

FILES = {name: name.encode() * 3 for name in NAMES if name != SUMS}
MORE = {"evaluations/gymnasium_100_from_0.json": b"{}", "memory.1.safetensors": b"m", "evaluation.json": b"[]"}


@pytest.fixture(autouse=True)
def _in_a_place_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))


def left(tmp_path: Path) -> list[Path]:
    """What is in the place for temporary files."""
    return list((tmp_path / "temporary").iterdir())


def test_what_was_packed_comes_out(tmp_path: Path) -> None:
    path = tmp_path / "agent.zip"
    write_packed(path, FILES | MORE)
    folder = unpacked(path)
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != ALIVE]
    found = {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}
    sums = found.pop(SUMS).decode().splitlines()
    assert found == FILES | MORE
    assert sums == [f"{hashlib.sha256(data).hexdigest()}  {name}" for name, data in sorted((FILES | MORE).items())]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert unpacked(path) == folder
    assert archive_of(folder) == path
    assert left(tmp_path) == [folder]
    remove_unpacked()
    assert not left(tmp_path)
    assert archive_of(folder) is None


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    write_packed(tmp_path / "a.zip", FILES | MORE)
    write_packed(tmp_path / "b.zip", dict(reversed((FILES | MORE).items())))
    data = (tmp_path / "a.zip").read_bytes()
    assert data == (tmp_path / "b.zip").read_bytes()
    with ZipFile(tmp_path / "a.zip") as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.namelist()[0] == CARD


def test_another_file_of_the_same_name_is_unpacked_anew(tmp_path: Path) -> None:
    path = tmp_path / "agent.zip"
    write_packed(path, FILES)
    first = unpacked(path)
    write_packed(path, FILES | {CARD: b"another card"})
    assert (unpacked(path) / CARD).read_bytes() == b"another card"
    assert (first / CARD).read_bytes() == FILES[CARD], "who is at work in it keeps it"


def zipped(path: Path, change: Callable[[ZipFile], object], without: str = "") -> None:
    """An archive of `FILES`, but for one, and what `change` adds."""
    with ZipFile(path, "w") as archive:
        sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in FILES.items())
        for name, data in (FILES | {SUMS: sums.encode()}).items():
            if name != without:
                archive.writestr(ZipInfo(name), data)
        change(archive)


def member(name: str, data: bytes = b"x", **facts: int | str) -> Callable[[ZipFile], object]:
    """Adds one."""
    info = ZipInfo(name)
    for key, value in facts.items():
        setattr(info, key, value)
    return lambda archive: archive.writestr(info, data)


LINK = (stat.S_IFLNK | 0o777) << 16
HOSTILE = {
    "up": (member("../evil.py"), "", "'../evil.py' does not belong in it"),
    "far up": (member("evaluations/../../evil"), "", "does not belong in it"),
    "root": (member("/etc/passwd"), "", "does not belong in it"),
    "backslash": (member("..\\evil.py"), "", "does not belong in it"),
    "code": (member("evil.py"), "", "'evil.py' does not belong in it"),
    "pickle": (member("vision.pt"), "", "does not belong in it"),
    "folder": (member("evaluations/"), "", "does not belong in it"),
    "zero": (member("x", filename="recipe.toml\0.py"), "recipe.toml", "does not belong in it"),
    "newline": (member("recipe.toml\n"), "", "does not belong in it"),
    "digits of others": (member("memory.\u0661.safetensors"), "", "does not belong in it"),
    "link": (member("recipe.toml", b"/etc/passwd", external_attr=LINK), "recipe.toml", "is no plain file"),
    "device": (member("recipe.toml", external_attr=stat.S_IFCHR << 16), "recipe.toml", "is no plain file"),
    "bomb": (
        member("vision.safetensors", bytes(10**6), compress_type=ZIP_DEFLATED),
        "vision.safetensors",
        "compressed",
    ),
    "large": (member("recipe.toml", bytes(NAMES["recipe.toml"] + 1)), "recipe.toml", "262,144 are the most"),
    "missing": (lambda _: None, "manifest.json", "manifest.json is missing"),
    "other checksum": (member("recipe.toml", b"seed = 2"), "recipe.toml", "the checksum of recipe.toml does not match"),
    "no checksum": (member("memory.1.safetensors"), "", "the checksum of memory.1.safetensors does not match"),
    "checksums of more": (member(SUMS, b"0" * 64 + b"  ../x\n"), SUMS, "checksum of"),
    "no list": (member(SUMS, b"\xff\xfe"), SUMS, "ascii"),
    "text after it": (lambda archive: setattr(archive, "comment", b"hello"), "", "it is no zip, or not a whole one"),
    "many": (lambda archive: [member(f"{i}")(archive) for i in range(MAX_MEMBERS)], "", "members, and a list"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_does_not_belong_is_refused(name: str, tmp_path: Path) -> None:
    change, without, says = HOSTILE[name]
    zipped(tmp_path / "x.zip", change, without)
    refused(tmp_path, says)


def refused(tmp_path: Path, says: str) -> None:
    """In one line, and nothing stays."""
    with pytest.raises(UserError) as raised:
        unpacked(tmp_path / "x.zip")
    line = str(raised.value)
    assert says in line
    assert line.startswith(f"{tmp_path / 'x.zip'} is no agent that `reverie pack` made (")
    assert "\n" not in line
    assert not left(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["temporary", "x.zip"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice(tmp_path: Path) -> None:
    zipped(tmp_path / "x.zip", member("recipe.toml", b"seed = 2"))
    refused(tmp_path, "recipe.toml is in it twice")


def test_members_that_share_their_bytes(tmp_path: Path) -> None:
    """One file, named by many entries: so a small archive can unpack to a large folder."""
    with ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(ZipInfo(CARD), bytes(10**5))
        first = archive.infolist()[0]
        for name in NAMES.keys() - {CARD}:
            info = ZipInfo(name)
            info.header_offset, info.CRC = first.header_offset, first.CRC
            info.file_size = info.compress_size = 40_000
            archive.filelist.append(info)
    refused(tmp_path, "its members overlap")


def test_every_cut_and_every_bit_is_noticed(tmp_path: Path) -> None:
    write_packed(tmp_path / "whole.zip", FILES)
    whole = (tmp_path / "whole.zip").read_bytes()
    (tmp_path / "whole.zip").unlink()
    for cut in range(0, len(whole), 41):
        (tmp_path / "x.zip").write_bytes(whole[:cut])
        refused(tmp_path, "")
    for place in range(0, len(whole), 17):  # in some fields, such as a date, a bit says nothing
        damaged = bytearray(whole)
        damaged[place] ^= 0x20
        (tmp_path / "x.zip").write_bytes(damaged)
        with contextlib.suppress(UserError):
            folder = unpacked(tmp_path / "x.zip")
            assert {name: (folder / name).read_bytes() for name in FILES} == FILES
        remove_unpacked()


def test_a_zip64_is_refused_before_its_list_is_read(tmp_path: Path) -> None:
    write_packed(tmp_path / "x.zip", FILES)
    data = (tmp_path / "x.zip").read_bytes()
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, 0, 1)
    (tmp_path / "x.zip").write_bytes(data[:-22] + locator + data[-22:])
    refused(tmp_path, "for more than 4 GB")


def test_no_more_is_written_than_is_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"recipe\.toml has 262,145 bytes, where 262,144 are the most"):
        write_packed(tmp_path / "x.zip", FILES | {"recipe.toml": bytes(262_145)})
    assert not (tmp_path / "x.zip").exists()


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_packed(tmp_path / "x.zip", FILES)

    as_ever = Path.open

    def limited(self: Path, mode: str = "r") -> object:
        return as_ever(Path("/dev/full") if mode == "ab" else self, mode)

    monkeypatch.setattr(packed.Path, "open", limited)
    with pytest.raises(UserError, match=r"cannot write .*No space left on device"):
        unpacked(tmp_path / "x.zip")
    assert not left(tmp_path)


@pytest.mark.parametrize("content", [b"", b"seed = 1\n", b"PK\x03\x04", b"PK\x05\x06" + bytes(18)])
def test_other_files(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    refused(tmp_path, "")


def test_too_many_members_are_not_written(tmp_path: Path) -> None:
    many = {f"evaluations/fast_1_from_{i}.json": b"{}" for i in range(257)}
    with pytest.raises(UserError, match="more than 256 files"):
        write_packed(tmp_path / "x.zip", FILES | many)
    assert not (tmp_path / "x.zip").exists()
