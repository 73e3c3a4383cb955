"""An optimizer's state as named tensors and JSON, to be kept in a checkpoint and restored exactly."""

from collections.abc import Mapping
from typing import Any

import torch

from reverie.errors import UserError


def pack_optimizer(optimizer: torch.optim.Optimizer) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """An optimizer's state as named tensors and JSON, for `checkpoint.save`; `unpack_optimizer` restores it exactly."""
    state = optimizer.state_dict()
    tensors: dict[str, torch.Tensor] = {}
    meta: dict[str, Any] = {"state": {}, "groups": []}
    for index, slots in state["state"].items():
        rest = meta["state"].setdefault(str(index), {})
        for key, value in slots.items():
            if isinstance(value, torch.Tensor):
                tensors[f"state.{index}.{key}"] = value.detach().clone()
            else:
                rest[key] = value
    for index, group in enumerate(state["param_groups"]):
        rest = {}
        for key, value in group.items():
            if isinstance(value, torch.Tensor):  # a learning rate held as a tensor
                tensors[f"group.{index}.{key}"] = value.detach().clone()
            else:
                rest[key] = value
        meta["groups"].append(rest)
    return tensors, meta


def unpack_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor], meta: Mapping[str, Any]
) -> None:
    """Put what `pack_optimizer` gave back into `optimizer`; UserError where it belongs to other parameters."""
    other = "the saved optimizer state belongs to another model or optimizer: start this stage afresh"
    if not {"groups", "state"} <= meta.keys():
        raise UserError(other)
    live = optimizer.state_dict()["param_groups"]
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    groups = [dict(group) for group in meta["groups"]]
    state: dict[int, dict[str, Any]] = {int(index): dict(slots) for index, slots in meta["state"].items()}
    if [group["params"] for group in groups] != [group["params"] for group in live]:
        raise UserError(other)
    for name, tensor in tensors.items():
        kind, index, key = name.split(".", 2)
        (state[int(index)] if kind == "state" else groups[int(index)])[key] = tensor.detach().clone()
    for index, slots in state.items():
        shape = parameters[index].shape
        if any(getattr(value, "ndim", 0) and value.shape != shape for value in slots.values()):
            raise UserError(other)
    for group, live_group in zip(groups, live, strict=True):
        for key, value in group.items():
            if isinstance(live_group.get(key), tuple):  # JSON has lists only
                group[key] = tuple(value)
    optimizer.load_state_dict({"state": state, "param_groups": groups})
