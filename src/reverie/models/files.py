"""V, M and C as files: each safetensors file says in its metadata how to build what it holds."""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from reverie import checkpoint, reading
from reverie.actions import ActionSpec, SteerGasBrake, as_json, from_json
from reverie.errors import UserError
from reverie.models.autoencoder import NetConfig
from reverie.models.controller import Controller, ControllerConfig
from reverie.models.mdn_rnn import Memory, MemoryConfig
from reverie.models.packed import unpacked
from reverie.models.vae import VaeConfig
from reverie.models.vae_gan import VaeGanConfig
from reverie.models.vision import VISION_MODELS, Vision, kind_of
from reverie.reading import form_of
from reverie.versions import other_version, signed

PRETRAINED = "pretrained"
"""The agent that ships in the package and drives best."""
SHIPPED = (PRETRAINED, "dreamt")
"""Names of the agents that ship in the package, each in the folder `shipped/NAME`."""
VISION, MEMORY, CONTROLLER = "vision.safetensors", "memory.safetensors", "controller.safetensors"
MODELS = (VISION, MEMORY)
"""What a driver's process needs, beside the parameters of C."""
MAX_SIZE = 2**20
"""Of a latent, a state or an action: far beyond what a recipe may ask for."""
_ANEW = "train it anew"
_NEWER: dict[type, dict[str, Any]] = {
    ControllerConfig: {"bias": True},
    VaeConfig: {"novelty_weight": 0.0},
    VaeGanConfig: {"together": False},
    NetConfig: {"layout": "ha2018"},
}
"""Settings that older files do not have, and what such files were made with."""

_Module = TypeVar("_Module", bound=nn.Module)
_Config = TypeVar("_Config")


def agent_folder(name: str | Path) -> Path:
    """The folder of an agent by its path, or of one in the package by its name; a file is taken for an agent that was
    packed, and is unpacked. Raises UserError where it is none."""
    path = reading.typed_path(name)
    if path.is_file():
        return unpacked(path)
    return packaged(str(name)) if str(name) in SHIPPED and not path.exists() else path


def packaged(name: str = PRETRAINED) -> Path:
    """The folder of an agent that ships in the package."""
    return Path(str(resources.files("reverie") / "shipped" / name))


def save_vision(path: Path, vision: Vision, **meta: Any) -> None:
    """V in a file that says how to build it again."""
    built = {"kind": kind_of(vision), "net": asdict(vision.net), "config": asdict(vision.config)}
    _save(path, vision.state_dict(), built | meta)


def save_memory(path: Path, memory: Memory, **meta: Any) -> None:
    """M in a file that says how to build it again."""
    sizes = {"z_size": memory.z_size, "action_size": memory.action_size}
    _save(path, memory.state_dict(), {"kind": "mdn_rnn", "config": asdict(memory.config), **sizes, **meta})


def save_controller(path: Path, controller: Controller, params: np.ndarray, **meta: Any) -> None:
    """C in a file that says how to build it again."""
    sizes = {"z_size": controller.z_size, "h_size": controller.h_size}
    built = {"config": asdict(controller.config), "actions": as_json(controller.actions), **sizes}
    meta = {"kind": "controller", **built, **meta}
    _save(path, {"params": np.asarray(params, np.float32)}, meta)


def _save(path: Path, tensors: Mapping[str, Tensor | np.ndarray], meta: dict[str, Any]) -> None:
    checkpoint.save(path, tensors, signed(meta))


def load_vision(path: Path, device: torch.device | str = "cpu") -> Vision:
    """The V that `save_vision` wrote, on any device, on this one. Raises UserError if the file is missing, damaged or
    another kind of thing."""
    tensors, meta = checkpoint.load(path)
    _check_kind(path, meta, *VISION_MODELS)
    model, kind = VISION_MODELS[meta["kind"]]
    net, config = _config(path, NetConfig, meta, "net"), _config(path, kind, meta)
    return _built(path, lambda: model(net, config), tensors).to(device)


def load_memory(path: Path, device: torch.device | str = "cpu") -> Memory:
    """The M that `save_memory` wrote; device and errors as `load_vision`."""
    return _memory(path, *checkpoint.load(path)).to(device)


def _memory(path: Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> Memory:
    _check_kind(path, meta, "mdn_rnn")
    config, z_size, action_size = _config(path, MemoryConfig, meta), *_sizes(path, meta, "z_size", "action_size")
    return _built(path, lambda: Memory(config, z_size, action_size), tensors)


def load_models(folder: Path, device: torch.device | str = "cpu") -> tuple[Vision, Memory]:
    """V and M of the run in `folder`; device and errors as `load_vision`, and where M learned from the latents of
    another V."""
    vision = load_vision(folder / VISION, device)
    return vision, _memory_of(folder, folder / MEMORY, vision.z_size).to(device)


def load_members(folder: Path, device: torch.device | str = "cpu") -> list[Memory]:
    """The further members of M's ensemble, in order; device and errors as `load_models`, and where one between is
    gone."""
    return [_memory_of(folder, folder / numbered(MEMORY, i)).to(device) for i in range(1, num_members(folder))]


def num_members(folder: Path) -> int:
    """Members of M's ensemble by the files in `folder`; 1 for a single M."""
    named = [re.fullmatch(r"memory\.(\d+)\.safetensors", path.name) for path in folder.glob("memory.*.safetensors")]
    return 1 + max((int(match[1]) for match in named if match), default=0)


def numbered(name: str, member: int) -> str:
    """The file of a member of the ensemble, from that of the first: `memory.1.safetensors`."""
    return name if member == 0 else name.replace(".", f".{member}.", 1)


def _memory_of(folder: Path, path: Path, z_size: int | None = None) -> Memory:
    tensors, meta = checkpoint.load(path)
    memory, expected, vision = _memory(path, tensors, meta), meta.get("vision_sha256"), folder / VISION
    if (z_size and memory.z_size != z_size) or (expected and expected != checkpoint.file_sha256(vision)):
        raise UserError(
            f"{path} learned from another V than {vision}: take both from the same run, or train M on this V "
            f"(`reverie encode --run {folder} --again`, then `reverie memory --run {folder}`)"
        )
    return memory


def load_controller(path: Path) -> tuple[Controller, np.ndarray]:
    """The C that `save_controller` wrote and its parameters (p,); errors as `load_vision`."""
    tensors, meta = checkpoint.load(path)
    _check_kind(path, meta, "controller")
    config, actions = _config(path, ControllerConfig, meta), _actions(path, meta)
    controller = Controller(config, *_sizes(path, meta, "z_size", "h_size"), actions)
    _check_tensors(path, {"params": torch.empty(controller.num_params, device="meta")}, tensors)
    return controller, tensors["params"].numpy()


def _actions(path: Path, meta: dict[str, Any]) -> ActionSpec:
    """What can be done in C's world; a file that does not say so is from when there were only cars."""
    values = meta.get("actions")
    if values is None:
        return SteerGasBrake()
    try:
        return from_json(values)
    except ValidationError as error:
        raise other_version(path, meta, error.errors()[0]["msg"], _ANEW) from error


def check_made_for(path: Path, folder: Path) -> None:
    """Raises UserError where the C in `path` was made for other V and M than those in `folder`, by their checksums: its
    weights would say nothing about what they are given here."""
    meta = checkpoint.load(path)[1]
    for key, file in (("vision_sha256", folder / VISION), ("memory_sha256", folder / MEMORY)):
        if meta.get(key) != checkpoint.file_sha256(file):
            raise UserError(f"{path} was not made for {file}: take a controller that was")


def _check_kind(path: Path, meta: dict[str, Any], *kinds: str) -> None:
    if meta.get("kind") not in kinds:
        expected = " or ".join(map(repr, kinds))
        raise UserError(
            f"{path} holds {meta.get('kind', 'no model')!r} where {expected} was expected: name another file"
        )


def _config(path: Path, kind: type[_Config], meta: dict[str, Any], key: str = "config") -> _Config:
    """The config that `asdict` made the values in `meta` of, each key of it but for those of `_NEWER`, and no other."""
    values = meta.get(key)
    if isinstance(values, dict):
        values = _NEWER.get(kind, {}) | values
    try:
        config = form_of(kind).validate_python(values)
    except ValidationError as error:
        raise other_version(path, meta, error.errors()[0]["msg"], _ANEW) from error
    if form_of(kind).dump_python(config, mode="json") != values:
        raise other_version(path, meta, f"{kind.__name__} has other settings", _ANEW)
    return config


def _sizes(path: Path, meta: dict[str, Any], *keys: str) -> tuple[int, int]:
    first, second = (meta.get(key) for key in keys)
    for key, size in zip(keys, (first, second), strict=True):
        if type(size) is not int or not 0 < size <= MAX_SIZE:
            raise UserError(f"{path} says {key} = {size!r}, which no model of ours has: {_ANEW}")
    return first, second  # pyright: ignore[reportReturnType]


def _built(path: Path, make: Callable[[], _Module], tensors: dict[str, Tensor]) -> _Module:
    """A module with these tensors. Nothing of its size is made before they are known to be those that it takes."""
    with torch.device("meta"):
        expected = make().state_dict()
    _check_tensors(path, expected, tensors)
    module = make()
    module.load_state_dict(tensors)
    return module


def _check_tensors(path: Path, expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    """Raises UserError where names, shapes or dtypes are not the expected ones."""
    ours, theirs = ({name: (*t.shape, t.dtype) for name, t in those.items()} for those in (expected, found))
    if ours != theirs:
        raise UserError(f"{path} does not hold the tensors that its own metadata promises: {_ANEW}")
