"""V, M and C as ONNX files, for other people's tools: each with its own inputs and outputs, and a card in JSON.

Shapes: b batch (any), z latent, a action, l layers, h hidden, k mixture components.
"""

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reverie import dynamo
from reverie.actions import as_json
from reverie.checkpoint import file_sha256
from reverie.dream.dreamer import Dreams, load_dreams
from reverie.errors import require_extra
from reverie.models.controller import Controller
from reverie.models.conv import FRAME_SIZE
from reverie.models.files import check_made_for, load_controller
from reverie.models.mdn_rnn import Memory, MemoryState
from reverie.models.vision import Vision, kind_of
from reverie.run.folder import RunFolder
from reverie.writing import write_atomically, write_json

OPSET = 20
BATCHES = (1, 5)
"""Sizes of batches at which the files are compared with torch; neither is the one that they were traced with."""
CARD = "card.json"
_TRACED = 3


@dataclass(frozen=True, kw_only=True)
class Part:
    """What becomes a file."""

    name: str
    """Of the file, without .onnx."""
    module: nn.Module
    inputs: Mapping[str, tuple[int, ...]]
    """Name -> shape, without the batch; frames are uint8, all else float32."""
    outputs: Mapping[str, str]
    """Name -> what it is."""


class Encoder(nn.Module):
    """Frames to latents."""

    def __init__(self, vision: Vision) -> None:
        super().__init__()
        self.vision = vision

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 (b, 64, 64, 3) -> mu, logvar (b, z)."""
        posterior = self.vision.encode(frames)
        return posterior.mu, posterior.logvar


class Decoder(nn.Module):
    """Latents to pictures."""

    def __init__(self, vision: Vision) -> None:
        super().__init__()
        self.vision = vision

    def forward(self, z: Tensor) -> Tensor:
        """(b, z) -> (b, 64, 64, 3)."""
        return self.vision.images(z).permute(0, 2, 3, 1)


class Step(nn.Module):
    """One step of M, and what it expects to come of it."""

    def __init__(self, memory: Memory) -> None:
        super().__init__()
        self.memory = memory

    def forward(self, z: Tensor, act: Tensor, h: Tensor, c: Tensor, prev_rew: Tensor | None = None) -> list[Tensor]:
        """As `_memory_part` names them."""
        after = self.memory.step(z, act, MemoryState(h, c), prev_rew)
        expected = self.memory.predict(after.top, z)
        found = [after.h, after.c, *expected.z]
        if expected.reward is not None:
            found.append(expected.reward)
        if expected.end_logit is not None:
            found.append(torch.sigmoid(expected.end_logit))
        return found


class Act(nn.Module):
    """C with its parameters."""

    def __init__(self, controller: Controller, params: np.ndarray) -> None:
        super().__init__()
        self.controller = controller
        self.params = nn.Parameter(torch.from_numpy(params).float(), requires_grad=False)

    def forward(self, z: Tensor, h: Tensor | None = None, c: Tensor | None = None) -> Tensor:
        """z (b, z), and of h and c (b, l, h) what it reads -> (b, a)."""
        unread = z.new_zeros(1, 1, 1)
        state = MemoryState(unread if h is None else h, unread if c is None else c)
        return self.controller.actions.from_outputs(self.controller.outputs(self.params, z, state))


def export_onnx(run: RunFolder, folder: Path) -> dict[str, Any]:
    """Writes the files and the card, and compares each file with torch; returns the card. Raises UserError where V, M
    or C is missing or damaged, or the extra `export` is not installed."""
    require_extra("export", ("onnx", "onnxscript", "onnxruntime"), "it")
    run.require_agent()
    dreams, (controller, params) = load_dreams(run.path), load_controller(run.controller)
    check_made_for(run.controller, run.path)
    files = {}
    for part in parts_of(dreams, controller, params):
        path = folder / f"{part.name}.onnx"
        with write_atomically(path) as file:
            file.write(as_onnx(part))
        errors = {str(b): parity(part, path, b) for b in BATCHES}
        files[path.name] = _described(part) | {"sha256": file_sha256(path), "largest_error": errors}
    card = {
        "run": run.path.name,
        "env_id": dreams.world.env_id,
        "action_repeat": dreams.world.action_repeat,
        "opset": OPSET,
        "vision": {"kind": kind_of(dreams.vision), **asdict(dreams.vision.net)},
        "memory": asdict(dreams.memory.config),
        "controller": asdict(controller.config),
        "actions": as_json(controller.actions),
        "files": files,
    }
    write_json(folder / CARD, card)
    return card


def parts_of(dreams: Dreams, controller: Controller, params: np.ndarray) -> list[Part]:
    """What becomes a file; of an ensemble every M does."""
    vision, z = dreams.vision, dreams.memory.z_size
    frames = (FRAME_SIZE, FRAME_SIZE, 3)
    return [
        Part(
            name="encoder",
            module=Encoder(vision),
            inputs={"frames": frames},
            outputs={"mu": "mean of the latent, which the agent takes", "logvar": "log variance of it"},
        ),
        Part(
            name="decoder",
            module=Decoder(vision),
            inputs={"z": (z,)},
            outputs={"images": "pictures between 0 and 1, rows, columns, colours"},
        ),
        *(
            _memory_part("memory" if i == 0 else f"memory.{i}", member.memory)
            for i, member in enumerate(dreams.ensemble)
        ),
        _controller_part(controller, params, dreams.memory),
    ]


def _memory_part(name: str, memory: Memory) -> Part:
    config = memory.config
    state = (config.num_layers, config.hidden_size)
    inputs: dict[str, tuple[int, ...]] = {"z": (memory.z_size,), "act": (memory.action_size,), "h": state, "c": state}
    if config.reward_input:
        inputs["prev_rew"] = ()
    outputs = {
        "next_h": "hidden state",
        "next_c": "cell state",
        "logpi": "log weights of the mixture over the next latent, components first",
        "mu": "means of its components",
        "logsigma": "log deviations of its components",
    }
    if config.reward.head != "none":
        outputs["reward"] = "expected sign of the reward" if config.reward.head == "sign" else "expected reward"
    if config.end_head:
        outputs["end"] = "probability that the episode ends with this step"
    return Part(name=name, module=Step(memory), inputs=inputs, outputs=outputs)


def _controller_part(controller: Controller, params: np.ndarray, memory: Memory) -> Part:
    shapes = {"z": (memory.z_size,), **dict.fromkeys("hc", (memory.config.num_layers, memory.config.hidden_size))}
    inputs = {name: shapes[name] for name in controller.config.inputs}
    return Part(name="controller", module=Act(controller, params), inputs=inputs, outputs={"act": "as M reads it"})


def as_onnx(part: Part) -> bytes:
    """The file. Every batch size is left open, by Dim.AUTO: under a name of its own it would be frozen unasked."""
    from torch.export import Dim

    with dynamo.in_private(), _silence():
        program = torch.onnx.export(
            part.module.eval(),
            tuple(_example(part, _TRACED)),
            dynamo=True,
            dynamic_shapes=tuple({0: Dim.AUTO} for _ in part.inputs),
            input_names=list(part.inputs),
            output_names=list(part.outputs),
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    graph = model.graph
    values = [*graph.input, *graph.output, *graph.value_info]
    for part_of_file in (graph, *graph.node, *values):
        del part_of_file.metadata_props[:]  # where it was traced is nobody's business
    open_size = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for dimension in (dimension for value in values for dimension in value.type.tensor_type.shape.dim):
        if dimension.dim_param == open_size:
            dimension.dim_param = "batch"
    return model.SerializeToString(deterministic=True)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """What the exporter says of itself (its progress, its own deprecations, that torchvision is missing) helps nobody
    here."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def import_onnxruntime() -> ModuleType:
    """onnxruntime, which else tells its maker of each use: over the network, by files in the home of who uses it, and
    by one in /tmp that is called alike for all users."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime  # noqa: TID251 (the one place)

    return onnxruntime


def parity(part: Part, path: Path, b: int) -> dict[str, float]:
    """Largest difference between torch and onnxruntime in each output, on a batch of b."""
    session = import_onnxruntime().InferenceSession(str(path), providers=["CPUExecutionProvider"])
    example = _example(part, b)
    with torch.inference_mode():
        expected = part.module(*example)
    expected = [expected] if isinstance(expected, Tensor) else expected
    given = {name: tensor.numpy() for name, tensor in zip(part.inputs, example, strict=True)}
    found = [np.array(one) for one in session.run(list(part.outputs), given)]
    errors = {}
    for name, theirs, ours in zip(part.outputs, found, expected, strict=True):
        assert theirs.shape == ours.shape, f"{path.name}: {name} is {theirs.shape}, not {tuple(ours.shape)}"
        errors[name] = float(np.abs(theirs - ours.numpy()).max())
    return errors


def _example(part: Part, b: int) -> list[Tensor]:
    """Inputs for a batch of b, the same for the same b."""
    chance = torch.Generator().manual_seed(b)
    return [
        torch.randint(256, (b, *shape), generator=chance, dtype=torch.uint8)
        if name == "frames"
        else torch.randn(b, *shape, generator=chance)
        for name, shape in part.inputs.items()
    ]


def _described(part: Part) -> dict[str, Any]:
    """Inputs with type and shape, outputs in words."""
    return {
        "inputs": {
            name: {"dtype": "uint8" if name == "frames" else "float32", "shape": ["batch", *shape]}
            for name, shape in part.inputs.items()
        },
        "outputs": dict(part.outputs),
    }
