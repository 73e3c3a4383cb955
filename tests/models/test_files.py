"""Models as files: which version wrote them, and whom a controller was made for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import reverie
from reverie import checkpoint
from reverie.errors import UserError
from reverie.models.files import check_made_for, load_controller, load_memory, load_vision
from reverie.run.folder import RunFolder

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
