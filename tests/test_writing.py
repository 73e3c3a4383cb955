"""What is written is there as a whole or not at all, and only where it was meant to be."""

import contextlib
import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reverie.errors import UserError
from reverie.metrics import Metrics
from reverie.reading import read_json
from reverie.writing import create_array, stays_there, write_atomically, write_json


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})
    with contextlib.suppress(KeyError), write_atomically(path) as file:
        file.write(b"half")
        raise KeyError
    assert read_json(path) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["x.json"]


def test_unwritable_place(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        write_json(tmp_path / "file" / "x.json", {})


TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.recursive(st.none() | st.integers() | TEXT, lambda x: st.lists(x) | st.dictionaries(TEXT, x)))
@settings(max_examples=30)
def test_json_round_trip(tmp_path_factory, obj):
    path = tmp_path_factory.getbasetemp() / "round_trip.json"
    try:
        json.dumps(obj, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    write_json(path, obj)
    assert read_json(path) == obj


def test_create_array(tmp_path):
    old = create_array(tmp_path / "new" / "x.npy", (2, 3), np.dtype(np.float16))
    old[:] = 1
    array = create_array(tmp_path / "new" / "x.npy", (4,), np.dtype(np.uint8))
    assert old.sum() == 6
    array[1] = 7
    array.flush()
    assert np.load(tmp_path / "new" / "x.npy", allow_pickle=False).tolist() == [0, 7, 0, 0]


def test_create_array_on_a_full_disk(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    error = errno.EOPNOTSUPP  # a file system that cannot reserve: go on
    create_array(tmp_path / "x.npy", (9,), np.dtype(np.uint8))
    error = errno.ENOSPC
    with pytest.raises(UserError, match=r"cannot write .*x\.npy: No space left on device; make room .*\(4\.0 GB\)"):
        create_array(tmp_path / "x.npy", (10**9,), np.dtype(np.float32))
    assert not list(tmp_path.iterdir())


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    run = tmp_path / "run"
    run.mkdir()
    (run / "metrics.jsonl").symlink_to(outside)
    with pytest.raises(UserError, match=r"cannot write .*metrics\.jsonl: .*; move away what is in its place"):
        Metrics(run)
    (run / "x.json").symlink_to(outside)
    write_json(run / "x.json", 3)  # replaces the link
    assert not outside.exists()
    assert read_json(run / "x.json") == 3


def test_a_folder_in_place_of_a_file_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "x.json").mkdir()
    with pytest.raises(UserError, match=r"x\.json: Is a directory; move away what is in its place"):
        write_json(tmp_path / "x.json", 3)
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize("how", ["removed", "moved", "replaced"])
def test_a_folder_that_is_gone_is_not_made_anew(how: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "evolution").mkdir(parents=True)
    with stays_there(run), Metrics(run) as metrics:
        write_json(run / "evolution" / "x.json", 3)
        shutil.rmtree(run) if how == "removed" else run.rename(tmp_path / "elsewhere")
        if how == "replaced":
            run.mkdir()
        for write in (
            lambda: write_json(run / "evolution" / "x.json", 4),
            lambda: metrics.log("vision", 0, {"x": 1}),
            lambda: metrics.rewind("vision", 0),
        ):
            with pytest.raises(UserError, match="was removed, moved or replaced meanwhile"):
                write()
    with contextlib.suppress(FileNotFoundError):
        assert not list(run.iterdir())
