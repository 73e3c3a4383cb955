"""Models as files: which version wrote them, whom a controller was made for, and that they hold what they say."""

import re
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch

import reverie
from reverie import checkpoint
from reverie.dream.moments import load_moments
from reverie.errors import UserError
from reverie.models.files import check_made_for, load_controller, load_memory, load_vision
from reverie.run.folder import RunFolder

Tensors: TypeAlias = dict[str, torch.Tensor]

MODELS: dict[str, Callable[[Path], Any]] = {
    "vision": load_vision,
    "memory": load_memory,
    "controller": load_controller,
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_says_which_version_wrote_it(name: str, tiny_run: RunFolder) -> None:
    path, load = tiny_run.path / f"{name}.safetensors", MODELS[name]
    tensors, meta = checkpoint.load(path)
    assert meta["reverie"] == reverie.__version__
    checkpoint.save(path, tensors, meta | {"config": meta["config"] | {"wings": 2}, "reverie": "7.1.0"})
    with pytest.raises(UserError, match=rf"{name}\.safetensors was written by reverie 7\.1\.0, and this is .* install"):
        load(path)
    del meta["reverie"], meta["config"]
    checkpoint.save(path, tensors, meta)
    with pytest.raises(UserError, match="was written by another version of reverie"):
        load(path)


@pytest.mark.parametrize(
    ("name", "key", "known"), [("controller", "bias", "inputs"), ("vision", "novelty_weight", "kl_tolerance")]
)
def test_a_file_from_before_a_setting_was_one_is_read(name: str, key: str, known: str, tiny_run: RunFolder) -> None:
    path, load = tiny_run.path / f"{name}.safetensors", MODELS[name]
    tensors, meta = checkpoint.load(path)
    del meta["config"][key]
    checkpoint.save(path, tensors, meta)
    found = load(path)
    model = found[0] if name == "controller" else found
    assert getattr(model.config, key) == {"bias": True, "novelty_weight": 0.0}[key]
    del meta["config"][known]
    checkpoint.save(path, tensors, meta)
    with pytest.raises(UserError, match="Config has other settings"):
        load(path)


@pytest.mark.parametrize("part", ["vision", "memory"])
def test_whom_a_controller_was_made_for(part: str, tiny_run: RunFolder) -> None:
    check_made_for(tiny_run.controller, tiny_run.path)
    model = tiny_run.path / f"{part}.safetensors"
    tensors, meta = checkpoint.load(model)
    checkpoint.save(model, tensors, meta | {"trained": "again"})
    with pytest.raises(UserError, match=rf"controller\.safetensors was not made for .*{part}\.safetensors"):
        check_made_for(tiny_run.controller, tiny_run.path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", [*MODELS, "dream"])
def test_weights_that_are_no_numbers_are_neither_written_nor_read(
    name: str, value: float, tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiny_run.path / f"{name}.safetensors"
    tensors, meta = checkpoint.load(path)
    broken = next(key for key, tensor in tensors.items() if tensor.is_floating_point())
    tensors[broken].view(-1)[-1] = value
    before = path.read_bytes()
    with pytest.raises(
        UserError, match=rf"{name}\.safetensors: {re.escape(broken)} became no number, and is not written"
    ):
        checkpoint.save(path, tensors, meta)
    assert path.read_bytes() == before
    with monkeypatch.context() as patch:  # as a forger would write it, with a checksum
        patch.setattr(checkpoint, "_not_finite", lambda _: None)
        checkpoint.save(path, tensors, meta)
    with pytest.raises(
        UserError, match=rf"{name}\.safetensors is damaged: .*{re.escape(broken)} holds numbers that are"
    ):
        MODELS.get(name, lambda bank: load_moments(bank, tiny_run.memory))(path)


def _other_shape(tensors: Tensors, key: str) -> None:
    tensors[key] = torch.cat([tensors[key], tensors[key]])


SPOILT: dict[str, Callable[[Tensors, str], object]] = {
    "missing": lambda tensors, key: tensors.pop(key),
    "beyond": lambda tensors, key: tensors.update(wings=tensors[key]),
    "shape": _other_shape,
    "dtype": lambda tensors, key: tensors.update({key: tensors[key].double()}),
    "none": lambda tensors, key: tensors.clear(),  # noqa: ARG005
}


@pytest.mark.parametrize("how", SPOILT)
@pytest.mark.parametrize("name", [*MODELS, "dream"])
def test_a_file_that_does_not_hold_what_it_says_is_a_line(name: str, how: str, tiny_run: RunFolder) -> None:
    path = tiny_run.path / f"{name}.safetensors"
    tensors, meta = checkpoint.load(path)
    SPOILT[how](tensors, "z" if name == "dream" else next(iter(tensors)))
    checkpoint.save(path, tensors, meta)
    with pytest.raises(UserError, match=rf"{name}\.safetensors does not hold") as caught:
        MODELS.get(name, lambda bank: load_moments(bank, tiny_run.memory))(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [10**9, 2**63, 0, -1, "8", None, 8.0, True])
@pytest.mark.parametrize(("name", "key"), [("memory", "z_size"), ("memory", "action_size"), ("controller", "h_size")])
def test_sizes_that_no_model_has_are_a_line(name: str, key: str, value: Any, tiny_run: RunFolder) -> None:
    path = tiny_run.path / f"{name}.safetensors"
    tensors, meta = checkpoint.load(path)
    checkpoint.save(path, tensors, meta | {key: value})
    with pytest.raises(UserError, match=rf"{name}\.safetensors says {key} = "):
        MODELS[name](path)


def test_no_room_is_made_for_a_model_that_is_only_announced(tiny_run: RunFolder) -> None:
    tensors, meta = checkpoint.load(tiny_run.memory)
    sizes = {"hidden_size": 4096, "num_layers": 16}  # 8.6 GB of weights
    checkpoint.save(tiny_run.memory, tensors, meta | {"config": meta["config"] | sizes})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match="does not hold the tensors that its own metadata promises"):
        load_memory(tiny_run.memory)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**19, "kB"
