"""ONNX files: onnxruntime drives by them as torch does, at any size of batch, and says what goes in and comes out."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.web.agents import SMALL, ensemble_of

from reverie.actions import BoxActions, Categories, SteerGasBrake
from reverie.checkpoint import file_sha256
from reverie.cli.main import main
from reverie.dream.dreamer import load_dreams
from reverie.models.controller import ControllerConfig
from reverie.models.files import load_controller
from reverie.models.mdn_rnn import MemoryConfig, MemoryState
from reverie.models.rewards import RewardConfig
from reverie.models.vision import VisionConfig
from reverie.run.folder import RunFolder
from reverie.web.onnx import Part, as_onnx, parity, parts_of

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

PLAIN = MemoryConfig(hidden_size=10, num_mixtures=3)
CONFIGS: dict[str, dict[str, Any]] = {
    "all that M can": {
        "memory": replace(
            PLAIN,
            mixture="shared",
            num_layers=2,
            residual=True,
            min_sigma=0.1,
            reward_input=True,
            reward=RewardConfig(head="two_hot", scale=2.0, num_bins=11),
        ),
        "controller": ControllerConfig(inputs="zhc", hidden_size=6, action="steer_pedal"),
    },
    "as little as M can, averaged decoder": {
        "memory": replace(PLAIN, end_head=False, reward=RewardConfig(head="none")),
        "controller": ControllerConfig(inputs="z"),
        "vision": VisionConfig(model="vae_gan", net=SMALL),
        "actions": BoxActions(low=(-2.0, 0.0), high=(2.0, 3.0), scaled=False),
    },
    "categories": {
        "memory": replace(PLAIN, reward=RewardConfig(head="sign")),
        "actions": Categories(sizes=(3, 1, 4), first=(0, 0, 0), shape=(3,)),
    },
}


def made(**changes: Any) -> tuple[Any, Any, np.ndarray]:
    """V, M and C that are plain but for `changes`."""
    plain = {"memory": PLAIN, "vision": VisionConfig(net=SMALL), "actions": SteerGasBrake()}
    return ensemble_of(**{**plain, "controller": ControllerConfig(), **changes})


def written(parts: Iterable[Part], folder: Path) -> dict[str, Path]:
    paths = {part.name: folder / f"{part.name}.onnx" for part in parts}
    for part in parts:
        paths[part.name].write_bytes(as_onnx(part))
    return paths


@pytest.mark.parametrize("name", CONFIGS)
def test_files_say_what_torch_says_at_two_sizes_of_batch(name: str, tmp_path: Path) -> None:
    parts = parts_of(*made(**CONFIGS[name]))
    paths = written(parts, tmp_path)
    for part in parts:
        for b in (1, 7):
            errors = parity(part, paths[part.name], b)
            assert errors.keys() == part.outputs.keys()
            assert max(errors.values()) < 1e-5, (part.name, b, errors)


def test_parity_finds_another_file_out(tmp_path: Path) -> None:
    parts = parts_of(*made())
    encoder = next(part for part in parts if part.name == "encoder")
    path = written([encoder], tmp_path)["encoder"]
    with torch.no_grad():
        next(encoder.module.parameters()).add_(0.1)
    assert parity(encoder, path, 3)["mu"] > 1e-3


def test_an_ensemble_has_a_file_for_each_member() -> None:
    names = [part.name for part in parts_of(*made(members=3))]
    assert names == ["encoder", "decoder", "memory", "memory.1", "memory.2", "controller"]


def test_onnxruntime_drives_a_run(tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tiny_run.path / "onnx"
    assert main(["export", "onnx", str(tiny_run.path)]) == 0
    said = capsys.readouterr().out
    card = json.loads((folder / "card.json").read_text())
    assert all(f"{folder / name}  " in said for name in card["files"])
    assert all(file["sha256"] == file_sha256(folder / name) for name, file in card["files"].items())
    assert (
        max(max(error.values()) for file in card["files"].values() for error in file["largest_error"].values()) < 1e-4
    )
    sessions = {name: onnxruntime.InferenceSession(folder / name) for name in card["files"]}
    for name, file in card["files"].items():
        for given in sessions[name].get_inputs():
            assert given.shape == file["inputs"][given.name]["shape"]
        assert [out.name for out in sessions[name].get_outputs()] == list(file["outputs"])

    def run(name: str, **given: np.ndarray) -> dict[str, torch.Tensor]:
        outputs = list(card["files"][f"{name}.onnx"]["outputs"])
        found = sessions[f"{name}.onnx"].run(outputs, given)
        return {output: torch.from_numpy(value) for output, value in zip(outputs, found, strict=True)}

    dreams, (controller, params) = load_dreams(tiny_run.path), load_controller(tiny_run.controller)
    frames = np.random.default_rng(0).integers(256, size=(2, 64, 64, 3), dtype=np.uint8)
    mu = dreams.vision.encode(torch.from_numpy(frames)).mu.detach()
    state = dreams.moments.state.first(2)
    act = controller.act(torch.from_numpy(params).expand(2, -1), mu, state)
    after = dreams.memory.step(mu, act, state)
    expected = dreams.memory.predict(after.top, mu)

    z = run("encoder", frames=frames)["mu"].numpy()
    h, c = state.h.numpy(), state.c.numpy()
    done = run("controller", z=z, h=h)["act"].numpy()
    found = run("memory", z=z, act=done, h=h, c=c)
    close = {"rtol": 0, "atol": 1e-4}
    torch.testing.assert_close(torch.from_numpy(done), act, **close)
    torch.testing.assert_close(MemoryState(found["next_h"], found["next_c"]), after, **close)
    for output, value in expected.z._asdict().items():
        torch.testing.assert_close(found[output], value, **close)
    torch.testing.assert_close(found["reward"], expected.reward, **close)
    assert expected.end_logit is not None
    torch.testing.assert_close(found["end"], torch.sigmoid(expected.end_logit), **close)
    images = run("decoder", z=z)["images"]
    difference = (images * 255).round() - dreams.vision.decode(mu).float()
    assert difference.abs().max() <= 1


def test_the_same_run_makes_the_same_files() -> None:
    controller = parts_of(*made())[-1]
    assert as_onnx(controller) == as_onnx(controller)


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "onnxscript" else object())
    assert main(["export", "onnx", "pretrained"]) == 1
    assert "onnxscript not installed: `pip install 'reverie[export]'`" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["tflite", "pretrained"]])
def test_an_export_that_there_is_not_is_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", *words]) == 2
    assert "Choose from web, onnx" in capsys.readouterr().err
