"""Files that anybody may have written: refused in one line, without waiting, and in little memory and time."""

import io
import json
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from reverie.checkpoint import file_sha256, load, save
from reverie.data.arrays import mapped, unzipped
from reverie.errors import UserError
from reverie.reading import (
    MAX_TEXT,
    MAX_TOML,
    is_inside,
    open_regular,
    parse_json,
    parse_toml,
    read_bytes,
    read_json,
    read_text,
    typed_path,
)
from reverie.run.settings import load as load_recipe
from reverie.writing import open_to_append

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")


@needs_pipes
@pytest.mark.parametrize("read", [load, read_json, read_text, file_sha256, open_regular, open_to_append])
def test_a_pipe_in_place_of_a_file_is_not_waited_for(read, tmp_path: Path) -> None:
    path = tmp_path / "x"
    os.mkfifo(path)
    with pytest.raises((UserError, OSError), match="no regular file"):
        read(path)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="a device without an end")
def test_a_device_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "x").symlink_to("/dev/zero")
    with pytest.raises(UserError, match="no regular file"):
        read_bytes(tmp_path / "x", 2**40)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "x.json").open("wb") as file:
        file.truncate(2**40)  # it has holes, and takes no room
    with pytest.raises(UserError, match=r"x\.json has 1,099,511,627,776 bytes, where 33,554,432 are the most"):
        read_json(tmp_path / "x.json")
    with pytest.raises(UserError, match="damaged"):
        load(tmp_path / "x.json")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "too deeply nested"),
        ('{"a":' * 100_000, "too deeply nested"),
        ("9" * 5000, "9... has 5,000 digits"),
        ("1e999", "too large a number"),
        ("[NaN]", "NaN is no number"),
        ("[-Infinity]", "-Infinity is no number"),
        ("[" + "[]," * 2_000_000 + "[]]", "more than 2,000,000 lists and objects"),
        (" " * (MAX_TEXT + 1), "are the most"),
        ("{", "Expecting"),
    ],
)
def test_json_that_is_none_is_a_line(text: str, reason: str) -> None:
    for given in (text, text.encode()):
        with pytest.raises(ValueError, match=reason) as caught:
            parse_json(given)
        assert "\n" not in str(caught.value)


def test_json_that_is_some_is_read() -> None:
    text = '{"a": [1, -2.5, 340282366920938463463374607431768211455, true, null, "\\u00e9"]}'
    assert parse_json(text) == {"a": [1, -2.5, 2**128 - 1, True, None, "é"]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a." * 20_000 + "a = 1", "a key of 64 parts"),
        ("a = " + "[" * 5000, "too deeply nested"),
        ("a = " + "{a=" * 5000, "too deeply nested"),
        ("a = " + "9" * 5000, "digits"),
        ("#" * (MAX_TOML + 1), "are the most"),
    ],
)
def test_toml_that_takes_too_long_is_a_line(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_toml(text)


def test_long_words_are_no_dotted_keys() -> None:
    word = "a" * 60_000  # a search for dots that began again at each of its letters would take minutes
    assert parse_toml(f'{word} = "{word[:100]}"')[word] == "a" * 100
    assert parse_toml('a = "' + "../" * 100 + '"')["a"] == "../" * 100


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "C:x", "a\\..\\x", "a\0", 3, None]
)
def test_names_that_lead_elsewhere(name) -> None:
    assert not is_inside(name)
    assert is_inside("rollouts/index.jsonl")


def npz(**arrays: bytes) -> io.BytesIO:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in arrays.items():
            archive.writestr(f"{name}.npy", content)
    return data


def npy(header: str, data: bytes) -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


RIGHT = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"


def test_an_array_of_ours_is_read() -> None:
    wanted = np.arange(6, dtype="<f4").reshape(2, 3)
    assert (unzipped(npz(x=npy(RIGHT, wanted.tobytes())), {"x": ((2, -1), "<f4")})["x"] == wanted).all()


@pytest.mark.parametrize(
    "header",
    [
        RIGHT.replace("(2, 3)", "(2, 3000000000)"),
        RIGHT.replace("(2, 3)", "(2, -3)"),
        RIGHT.replace("(2, 3)", "(6,)"),
        RIGHT.replace("<f4", "|O"),
        RIGHT.replace("False", "True"),
        RIGHT.replace("'<f4'", "__import__('os').system('touch owned')"),
        "(" * 3000,
        "",
    ],
)
def test_an_array_that_is_another_is_refused_before_room_is_made(header: str, tmp_path: Path) -> None:
    layout = {"x": ((2, -1), "<f4")}
    with pytest.raises(ValueError, match=r"it is|its header|another size"):
        unzipped(npz(x=npy(header, bytes(24))), layout)
    (tmp_path / "x.npy").write_bytes(npy(header, bytes(24)))
    with pytest.raises(ValueError, match=r"it is|its header|bytes"):
        mapped(tmp_path / "x.npy", (2, 3), "<f4")
    assert not Path("owned").exists()


def test_a_zip_that_is_a_bomb_is_not_unpacked() -> None:
    bomb = npz(x=npy(RIGHT, bytes(200 * 2**20)))
    assert len(bomb.getvalue()) < 2**20
    with pytest.raises(ValueError, match="another size"):
        unzipped(bomb, {"x": ((2, 3), "<f4")})
    with pytest.raises(ValueError, match="does not hold"):
        unzipped(npz(**{"../x": b""}), {"x": ((2, 3), "<f4")})


def test_tensors_that_are_not_there_are_not_made_room_for(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save(path, {"w": torch.ones(2)}, {"kind": "x"})
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["w"] |= {"shape": [2**40], "data_offsets": [0, 2**42]}
    forged = json.dumps(header).encode()
    path.write_bytes(len(forged).to_bytes(8, "little") + forged + data[8 + length :])
    with pytest.raises(UserError, match="its tensors do not fill it"):
        load(path)


@pytest.mark.parametrize("metadata", ["[]", "3", '"reverie"', '{"reverie": 3}', '{"reverie": []}', "null"])
def test_wrong_kinds_in_a_header_are_a_line(metadata: str, tmp_path: Path) -> None:
    header = f'{{"__metadata__": {metadata}}}'.encode()
    (tmp_path / "x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(UserError, match=r"damaged|not one of Reverie's"):
        load(tmp_path / "x.safetensors")


def test_json_errors(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_json(tmp_path / "x.json")
    for content in [b"{", b"[1, 2", b"\x00"]:
        (tmp_path / "x.json").write_bytes(content)
        with pytest.raises(UserError, match=r"x\.json is not valid JSON"):
            read_json(tmp_path / "x.json")


@pytest.mark.parametrize("data", [b"a\nb\n", b"\xef\xbb\xbfa\nb\n", b"a\r\nb\r\n", b"\xef\xbb\xbfa\rb\r"])
def test_text_is_read_as_editors_save_it(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    assert read_text(tmp_path / "a.txt") == "a\nb\n"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("a\nü".encode("utf-16"), "a.txt is UTF-16: save it as UTF-8"),
        ("a\nü".encode("latin-1"), r"a.txt is not UTF-8 \(byte 0xfc in line 2\): save it as UTF-8"),
    ],
)
def test_text_in_another_encoding_is_said_so(data: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(UserError, match=says):
        read_text(tmp_path / "a.txt")


def test_json_is_read_as_editors_save_it(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{\r\n"a": 1}')
    assert read_json(tmp_path / "a.json") == {"a": 1}


def test_a_path_is_meant_as_it_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert typed_path("~/runs/x/") == Path("/home/ann/runs/x")
    assert typed_path("runs/my ünï~x") == Path("runs/my ünï~x")
    assert typed_path("~no such user/x") == Path("~no such user/x")
    monkeypatch.setenv("SCRATCH", "/scratch/ann")
    monkeypatch.delenv("NOBODY_S", raising=False)
    monkeypatch.setenv("EMPTY", "")
    for typed, meant in {
        "$HOME/runs/x": "/home/ann/runs/x",
        "${SCRATCH}/x": "/scratch/ann/x",
        "$SCRATCH": "/scratch/ann",
        "$NOBODY_S/x": "$NOBODY_S/x",
        "$EMPTY/x": "$EMPTY/x",  # not the root of all files
        "$HOMES/x": "$HOMES/x",
        "runs/$HOME/x": "runs/$HOME/x",
        "/data/$HOME": "/data/$HOME",
        "$HOME.old/x": "$HOME.old/x",
    }.items():
        assert typed_path(typed) == Path(meant)
    with pytest.raises(UserError, match=r"'a\\x00b' is no path, which no zero can be in"):
        load_recipe("debug", ['collect.from_npz="a\\u0000b"'])
