"""A run as one piece of bytes for a page: a JSON header, and arrays as the kernels read them. Pure data, the same bytes
for the same run.

    8 bytes   "reverie" and the version of this format, 1
    4 bytes   n, the length of the header (little-endian, unsigned)
    n bytes   the header: JSON, filled up with spaces so that the arrays begin at a multiple of 16
    arrays    little-endian, each at a multiple of 16 after the header; `arrays` of the header says where, and whether
              as float32 ("f4") or in 16 bits ("i2"): whole numbers int16, filled up with zeros to a multiple of 64, and
              after them a float32 for every 64, by which those are to be multiplied

Numbers of 16 bits with a factor for every 64 are as small as float16 and err a quarter as much (docs/web.md).

Shapes: n moments, l layers, h hidden, z latent.
"""

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from reverie.actions import as_json
from reverie.dream.dreamer import Dreams, load_dreams
from reverie.envs.registry import spec_of
from reverie.errors import UserError
from reverie.models.controller import Controller
from reverie.models.files import check_made_for, load_controller
from reverie.models.vision import kind_of
from reverie.reading import read_csv, read_json
from reverie.run.folder import RunFolder
from reverie.run.settings import flatten
from reverie.web.edits import Edit
from reverie.web.layout import controller_arrays, memory_arrays, vision_arrays

MAGIC = b"reverie\1"
MOMENTS = 64
"""Moments of the run's bank that go along, spread evenly over it."""
_ALIGNMENT = 16
_BLOCK, _LARGEST = 64, 32767
"""Numbers that share a factor, and the largest of int16."""


def bundle(run: RunFolder, edits: Sequence[Edit] = (), file: Path | None = None) -> bytes:
    """The run's V, M with its ensemble, C, some moments to dream from, and what tells how it came about, with the
    `edits` of its latents (`edits_of`); `file` has another C than the one that the run keeps, also where it keeps none
    yet. Raises UserError where one of them is missing, damaged, not made for the others, or holds numbers that are
    none."""
    run.require_models() if file else run.require_agent()
    dreams = load_dreams(run.path)
    controller, params = load_controller(file or run.controller)
    check_made_for(file or run.controller, run.path)
    header = {
        "name": run.path.name,
        "config": config_of(dreams, controller),
        "world": _world(run),
        "latents": _latents(dreams.moments.z.double().numpy()),
        "edits": [asdict(edit) for edit in edits],
        "recipe": flatten(run.config),
        "score": read_json(run.evaluation) if run.is_done("evaluate") else None,
        "curves": _curves(run.evolution / "log.csv"),
        "stages": {name: stage["seconds"] for name, stage in run.manifest["stages"].items()},
    }
    return pack(header, arrays_of(dreams, controller, params), run.name)


def arrays_of(dreams: Dreams, controller: Controller, params: np.ndarray) -> dict[str, np.ndarray]:
    """All that is computed with, by name."""
    arrays = {**vision_arrays(dreams.vision), **controller_arrays(controller, params)}
    for i, member in enumerate(dreams.ensemble):
        arrays |= {f"memory.{i}.{name}": array for name, array in memory_arrays(member.memory).items()}
    return arrays | {"reward.bins": dreams.memory.reward.bins.numpy()} | _moments(dreams)


def config_of(dreams: Dreams, controller: Controller) -> dict[str, Any]:
    """How to build what the arrays hold."""
    vision, memory = dreams.vision, dreams.memory
    net = asdict(vision.net) | {"kind": kind_of(vision)}
    return {
        "z_size": memory.z_size,
        "action_size": memory.action_size,
        "members": len(dreams.ensemble),
        "vision": net,
        "memory": asdict(memory.config),
        "controller": asdict(controller.config) | {"actions": as_json(controller.actions)},
    }


def pack(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray], who: str) -> bytes:
    """Header and arrays as bytes; errors as `bundle`, which name the run as `who`."""
    table, parts, at = dict[str, Any](), list[bytes](), 0
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise UserError(f"{who} holds numbers that are none in {name}: train it anew")
        dtype = "i2" if _is_halved(name) else "f4"
        parts.append(_aligned(_halved(array) if dtype == "i2" else array.astype("<f4").tobytes(), b"\0"))
        table[name] = {"shape": list(array.shape), "dtype": dtype, "at": at}
        at += len(parts[-1])
    text = json.dumps({**header, "arrays": table}, separators=(",", ":"), allow_nan=False).encode()
    text = _aligned(text, b" ", len(MAGIC) + 4)
    return b"".join([MAGIC, struct.pack("<I", len(text)), text, *parts])


def _is_halved(name: str) -> bool:
    """Whether an array goes in 16 bits: the large ones, but for C's, whose decisions add up over a drive."""
    return name.endswith((".weight", ".z", ".h", ".c")) and not name.startswith("controller")


def _halved(array: np.ndarray) -> bytes:
    """The numbers as int16, and the factor of every 64 of them."""
    blocks = np.pad(array.astype(np.float64).ravel(), (0, -array.size % _BLOCK)).reshape(-1, _BLOCK)
    factors = (np.abs(blocks).max(1, keepdims=True) / _LARGEST).astype("<f4")
    whole = np.rint(blocks / np.where(factors, factors, 1)).clip(-_LARGEST, _LARGEST)
    return whole.astype("<i2").tobytes() + factors.tobytes()


def _aligned(content: bytes, filler: bytes, before: int = 0) -> bytes:
    return content + filler * (-(len(content) + before) % _ALIGNMENT)


def _world(run: RunFolder) -> dict[str, Any]:
    """The environment, and what there is to know of it."""
    env, spec = run.config.env, spec_of(run.config.env)
    return {
        "env_id": env.id,
        "action_repeat": env.action_repeat,
        "max_decisions": -(-env.max_frames // env.action_repeat),
        "frames_per_second": spec.frames_per_second,
        "largest_return": asdict(spec.largest_return) if spec.largest_return else None,
        "picture": {"shape": list(spec.picture.shape), "rows": spec.picture.rows},
        "bars": [list(bar) for bar in spec.actions.bars],
    }


def _moments(dreams: Dreams) -> dict[str, np.ndarray]:
    """z (n, z), reward, return so far and frames (n,), and each member's state (n, l, h)."""
    bank = dreams.moments
    rows = np.unique(np.linspace(0, len(bank) - 1, MOMENTS).round().astype(int))
    arrays = {
        "moments.z": bank.z,
        "moments.reward": bank.rew,
        "moments.earned": bank.earned,
        "moments.frames": bank.frames,
    }
    for i, member in enumerate(dreams.ensemble):
        arrays |= {f"moments.{i}.h": member.moments.state.h, f"moments.{i}.c": member.moments.state.c}
    return {name: tensor.numpy()[rows] for name, tensor in arrays.items()}


def _latents(z: np.ndarray) -> dict[str, list[float]]:
    """Mean and deviation of each dimension over the bank's latents (n, z), and the dimensions in order of what they
    tell: under a unit prior, the more a mean varies, the more bits it carries."""
    deviation = z.std(0)
    order = np.argsort(-deviation, kind="stable")
    return {"mean": _rounded(z.mean(0)), "deviation": _rounded(deviation), "order": order.tolist()}


def _curves(log: Path) -> dict[str, list[float | None]]:
    """Columns of the learner's log; None where a field is empty."""
    if not log.is_file():
        return {}
    columns = read_csv(log)
    return {name: [value if math.isfinite(value) else None for value in column] for name, column in columns.items()}


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 4) for value in values]
