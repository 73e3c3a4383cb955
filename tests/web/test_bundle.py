"""A run as bytes: what the header says, where the arrays are, what is refused."""

import json
import struct
from typing import Any

import numpy as np
import pytest

from reverie.checkpoint import file_sha256
from reverie.dream.dreamer import load_dreams
from reverie.errors import UserError
from reverie.models.files import load_controller, save_controller
from reverie.run.folder import RunFolder
from reverie.web.bundle import MAGIC, MOMENTS, bundle, pack
from reverie.web.edits import Edit


def opened(content: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays, read as the docstring of web/bundle.py says."""
    assert content.startswith(MAGIC)
    (length,) = struct.unpack_from("<I", content, len(MAGIC))
    start = len(MAGIC) + 4 + length
    header = json.loads(content[len(MAGIC) + 4 : start])
    assert start % 16 == 0
    arrays = {}
    for name, entry in header["arrays"].items():
        at, size = start + entry["at"], int(np.prod(entry["shape"]))
        assert at % 16 == 0
        if entry["dtype"] == "f4":
            numbers = np.frombuffer(content, "<f4", size, at)
        else:
            blocks = -(-size // 64)
            whole = np.frombuffer(content, "<i2", 64 * blocks, at).reshape(blocks, 64)
            numbers = (whole * np.frombuffer(content, "<f4", blocks, at + 128 * blocks)[:, None]).ravel()[:size]
        arrays[name] = numbers.reshape(entry["shape"])
    return header, arrays


def test_what_is_packed_is_found_again() -> None:
    rng = np.random.default_rng(0)
    arrays = {
        "a.weight": rng.normal(size=(7, 31)) * np.logspace(-6, 6, 7)[:, None],
        "b.weight": np.zeros((2, 64)),
        "c.weight": np.array([[-3.0]]),
        "d.bias": rng.normal(size=5),
        "controller.0.weight": rng.normal(size=(3, 3)),
    }
    header, found = opened(pack({"name": "x"}, arrays, "x"))
    assert header["name"] == "x"
    assert found.keys() == arrays.keys()
    for name in ("d.bias", "controller.0.weight"):
        np.testing.assert_array_equal(found[name], arrays[name].astype(np.float32))
    np.testing.assert_array_equal(found["b.weight"], 0)
    assert found["c.weight"] == -3
    for i in range(4):  # each block of 64 is within half a step of its largest number
        block, theirs = (a["a.weight"].ravel()[64 * i : 64 * (i + 1)] for a in (arrays, found))
        assert np.abs(block - theirs).max() <= np.abs(block).max() * 0.51 / 32767


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(wrong: float) -> None:
    with pytest.raises(UserError, match=r"runs/x holds numbers that are none in memory\.0\.head\.weight"):
        pack({}, {"memory.0.head.weight": np.array([1.0, wrong])}, "runs/x")


def test_a_run_in_the_header(tiny_run: RunFolder) -> None:
    header, arrays = opened(bundle(tiny_run, [Edit(name="left bend", vector=(0.5, -1.0))]))
    assert header["name"] == "run"
    assert header["edits"] == [{"name": "left bend", "vector": [0.5, -1.0]}]
    assert header["world"]["env_id"] == "CarRacing-v3"
    assert header["world"]["max_decisions"] == 6
    assert header["world"]["largest_return"] == {"total": 1000.0, "frame_cost": 0.1}
    assert header["recipe"]["memory.model.hidden_size"] == header["config"]["memory"]["hidden_size"]
    assert header["score"]["returns"] == [700.0, 800.0, 800.0, 900.0]
    assert header["curves"]["mean_return"] == [0, 10, 20, 30, 40, 50]
    assert header["curves"]["eval_mean_return"] == [None, 15, None, 45, None, 75]
    assert header["stages"].keys() >= {"vision", "memory", "controller"}
    z = load_dreams(tiny_run.path).moments.z.numpy()
    np.testing.assert_allclose(arrays["moments.z"], z, atol=1e-4)
    deviation = np.array(header["latents"]["deviation"])
    np.testing.assert_allclose(deviation, z.std(0), atol=1e-4)
    assert (np.diff(deviation[header["latents"]["order"]]) <= 0).all()
    assert sorted(header["latents"]["order"]) == list(range(z.shape[1]))


def test_the_same_run_has_the_same_bytes_wherever_it_is(tiny_run: RunFolder) -> None:
    content = bundle(tiny_run)
    tiny_run.path.parent.joinpath("elsewhere").mkdir()
    moved = tiny_run.path.rename(tiny_run.path.parent / "elsewhere" / "run")
    assert bundle(RunFolder.open(moved)) == content


def test_moments_are_spread_over_the_bank() -> None:
    run = RunFolder.open("pretrained")
    _, arrays = opened(bundle(run))
    bank = load_dreams(run.path).moments
    assert len(bank) > MOMENTS == len(arrays["moments.z"])
    np.testing.assert_allclose(arrays["moments.z"][[0, -1]], bank.z[[0, -1]], atol=1e-3)
    np.testing.assert_allclose(arrays["moments.0.h"][-1], bank.state.h[-1], atol=1e-3)


def test_a_run_that_is_not_evaluated_has_no_score(tiny_run: RunFolder) -> None:
    tiny_run.forget("evaluate")
    (tiny_run.evolution / "log.csv").unlink()
    header, _ = opened(bundle(tiny_run))
    assert header["score"] is None
    assert header["curves"] == {}


def test_an_unfinished_run_is_refused(tiny_run: RunFolder) -> None:
    tiny_run.forget("controller")
    with pytest.raises(UserError, match=r"has not finished its stage controller"):
        bundle(tiny_run)


def test_a_controller_of_another_run_is_refused(tiny_run: RunFolder) -> None:
    controller, params = load_controller(tiny_run.controller)
    save_controller(tiny_run.controller, controller, params, vision_sha256="other", memory_sha256="other")
    tiny_run.stage("controller")["files"]["controller.safetensors"] = file_sha256(tiny_run.controller)
    tiny_run.write_manifest()
    with pytest.raises(UserError, match="was not made for"):
        bundle(RunFolder.open(tiny_run.path))
