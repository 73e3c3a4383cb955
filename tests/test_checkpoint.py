"""Checkpoints come back as they were saved, or say in one line that they do not."""

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from reverie.checkpoint import file_sha256, load, save
from reverie.errors import UserError
from reverie.reading import read_json

CONTENT = {
    "scalar": torch.tensor(1.5),
    "empty": torch.zeros(0, 3),
    "half": torch.arange(6).reshape(2, 3).to(torch.bfloat16),
    "half_scalar": torch.tensor(2.0, dtype=torch.bfloat16),
    "strided": torch.arange(6.0).reshape(2, 3).T,
    "count": torch.tensor([1, 2], dtype=torch.int64),
    "flags": torch.tensor([True, False]),
    "parameter": torch.nn.Parameter(torch.ones(2)),
}


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "run" / "vision.safetensors"
    save(path, CONTENT, {"step": 3, "name": "é"})
    return path


def test_round_trip(saved):
    tensors, meta = load(saved)
    assert meta == {"step": 3, "name": "é"}
    assert tensors.keys() == CONTENT.keys()
    for name, tensor in CONTENT.items():
        assert tensors[name].dtype == tensor.dtype
        assert tensors[name].shape == tensor.shape
        assert torch.equal(tensors[name], tensor)
        assert not tensors[name].requires_grad


@settings(max_examples=30)
@given(
    dtype=st.sampled_from(["<f4", ">f4", "<f8", "<f2", "<i8", "|u1", "|b1", "<u4"]),
    shape=st.lists(st.integers(0, 3), max_size=3),
    value=st.integers(0, 1),
)
def test_arrays_round_trip(tmp_path_factory, dtype, shape, value):
    path = tmp_path_factory.getbasetemp() / "arrays.safetensors"
    array = np.full(shape, value, dtype)
    save(path, {"x": array})
    back = load(path)[0]["x"].numpy()
    assert back.shape == tuple(shape)
    assert back.dtype == np.dtype(dtype).newbyteorder("=")
    assert (back == array).all()


def test_views_of_one_storage_are_saved_each(tmp_path):
    base = torch.arange(4.0)
    save(tmp_path / "x.safetensors", {"a": base[:2], "b": base[1:], "c": base})
    tensors, _ = load(tmp_path / "x.safetensors")
    assert tensors["b"].tolist() == [1, 2, 3]
    tensors["a"].zero_()
    assert tensors["c"].tolist() == [0, 1, 2, 3]


def test_loaded_tensors_outlive_the_file(saved):
    tensors, _ = load(saved)
    saved.write_bytes(b"\xff" * saved.stat().st_size)  # in place, as a careless writer would
    saved.unlink()
    assert tensors["count"].tolist() == [1, 2]


def test_same_content_gives_the_same_bytes(tmp_path):
    save(tmp_path / "a.safetensors", CONTENT, {"x": 1, "y": 2})
    save(tmp_path / "b.safetensors", dict(reversed(CONTENT.items())), {"y": 2, "x": 1})
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_sidecar(saved):
    sidecar = read_json(saved.with_suffix(".json"))
    assert sidecar["meta"] == {"step": 3, "name": "é"}
    assert sidecar["tensors"]["half"] == ["bfloat16", [2, 3]]
    saved.with_suffix(".json").unlink()
    assert load(saved)[1]["step"] == 3


def test_no_temporary_files_are_left(saved):
    assert sorted(file.name for file in saved.parent.iterdir()) == ["vision.json", "vision.safetensors"]


def test_every_truncation_is_noticed(saved):
    data = saved.read_bytes()
    for length in [0, 1, 7, 8, 9, 100, len(data) // 2, len(data) - 1]:
        saved.write_bytes(data[:length])
        with pytest.raises(UserError, match=r"vision\.safetensors is damaged"):
            load(saved)


def test_every_flipped_byte_is_noticed(saved):
    data = bytearray(saved.read_bytes())
    for position in range(len(data)):
        data[position] ^= 1
        saved.write_bytes(data)
        with pytest.raises(UserError, match=r"vision\.safetensors"):
            load(saved)
        data[position] ^= 1


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(UserError, match=r"gone\.safetensors does not exist: .*restore it"):
        load(tmp_path / "gone.safetensors")
    with pytest.raises(UserError, match="cannot read"):
        load(tmp_path)
    (tmp_path / "x.safetensors").write_bytes(b"\x80\x04pickle, perhaps" * 9)
    with pytest.raises(UserError, match="damaged"):
        load(tmp_path / "x.safetensors")
    save_file({"w": torch.ones(2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(UserError, match="not one of Reverie's"):
        load(tmp_path / "foreign.safetensors")


@pytest.mark.parametrize("header", ["[]", "{}", '{"meta": 3, "sha256": ""}', '{"meta": "{", "sha256": ""}', "nonsense"])
def test_forged_headers(tmp_path, header):
    save_file({"w": torch.ones(2)}, tmp_path / "x.safetensors", {"reverie": header})
    with pytest.raises(UserError, match="damaged"):
        load(tmp_path / "x.safetensors")


def test_meta_must_be_json(tmp_path):
    with pytest.raises(ValueError, match="Out of range"):
        save(tmp_path / "x.safetensors", {}, {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


def test_file_sha256(tmp_path):
    (tmp_path / "x").write_bytes(b"abc" * 100_000)
    assert file_sha256(tmp_path / "x") == hashlib.sha256(b"abc" * 100_000).hexdigest()
    with pytest.raises(UserError, match="does not exist"):
        file_sha256(tmp_path / "y")
