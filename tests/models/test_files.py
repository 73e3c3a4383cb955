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


def test_a_controller_from_before_its_bias_was_a_setting_has_one(tiny_run: RunFolder) -> None:
    path = tiny_run.controller
    tensors, meta = checkpoint.load(path)
    expected = load_controller(path)[0]
    del meta["config"]["bias"]
    checkpoint.save(path, tensors, meta)
    assert load_controller(path)[0].config == expected.config
    assert expected.config.bias
    del meta["config"]["inputs"]
    checkpoint.save(path, tensors, meta)
    with pytest.raises(UserError, match="ControllerConfig has other settings"):
        load_controller(path)


@pytest.mark.parametrize("part", ["vision", "memory"])
def test_whom_a_controller_was_made_for(part: str, tiny_run: RunFolder) -> None:
    check_made_for(tiny_run.controller, tiny_run.path)
    model = tiny_run.path / f"{part}.safetensors"
    tensors, meta = checkpoint.load(model)
    checkpoint.save(model, tensors, meta | {"trained": "again"})
    with pytest.raises(UserError, match=rf"controller\.safetensors was not made for .*{part}\.safetensors"):
        check_made_for(tiny_run.controller, tiny_run.path)
