"""Three small networks that have seen real frames only, and so can judge the frames of any model alike.

Shapes: b batch, n frames of (64, 64, 3) uint8, f features, 3 numbers of `STATE`, 6 `ATTRIBUTES`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reverie import checkpoint
from reverie.errors import UserError
from reverie.measure.truth.labelled import ATTRIBUTES, STATE
from reverie.measure.vision.masks import GRID_CLASSES
from reverie.models.coding import batches
from reverie.models.conv import to_float
from reverie.types import Floats, Frames
from reverie.versions import other_version, signed

FILE = "judges.safetensors"
NUM_FEATURES = 128
GRID = 4
"""`DomainNet` learns what is in each of 4 x 4 parts of a frame."""
_BATCH = 256


class StateProbe(nn.Module):
    """Frames -> offset, heading and curvature: convolutions of stride 2, as an encoder has."""

    scale: Tensor
    """(2, 3) mean and standard deviation of the state, in which the network counts."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            *_strided(3, 16, 32, 64, 64, kernels=(5, 3, 3, 3)), nn.Flatten(), nn.Linear(1024, 64), nn.ReLU()
        )
        self.head = nn.Linear(64, len(STATE))
        self.register_buffer("scale", torch.tensor([[0.0], [1.0]]).repeat(1, len(STATE)))

    def forward(self, images: Tensor) -> Tensor:
        """Images (b, 3, 64, 64) in [0, 1] -> standardised state (b, 3)."""
        return self.head(self.net(images - 0.5))

    def state(self, frames: Tensor) -> Tensor:
        """uint8 frames (b, 64, 64, 3) -> state (b, 3) in its units."""
        mean, deviation = self.scale
        return self(to_float(frames)) * deviation + mean


class AttributeClassifier(nn.Module):
    """Frames -> which of the attributes are there: as the state probe, of other widths and kernels."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            *_strided(3, 16, 24, 48, 64, kernels=(4, 4, 4, 4)),
            nn.Flatten(),
            nn.Linear(1024, 64),
            nn.ReLU(),
            nn.Linear(64, len(ATTRIBUTES)),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Images (b, 3, 64, 64) in [0, 1] -> log odds (b, 6)."""
        return self.net(images - 0.5)


class DomainNet(nn.Module):
    """Frames -> features of what is in them and how it is drawn, for distances between sets of frames.

    It cuts frames into patches of 4 x 4 pixels, of which no detail is lost. Its features must tell the state, the
    attributes, and for each of 4 x 4 parts of the frame how much of it is road, light grass and kerb, and how strong
    its edges are.
    """

    scale: Tensor
    """(2, f) mean and standard deviation of the features over real frames."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 48, 4, stride=4),
            nn.SiLU(),
            nn.Conv2d(48, 48, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(48, 64, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(64, 64, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(1024, NUM_FEATURES),
            nn.SiLU(),
        )
        self.head = nn.Linear(NUM_FEATURES, len(STATE) + len(ATTRIBUTES) + len(GRID_CLASSES) * GRID * GRID)
        self.register_buffer("scale", torch.tensor([[0.0], [1.0]]).repeat(1, NUM_FEATURES))

    def forward(self, images: Tensor) -> Tensor:
        """Images (b, 3, 64, 64) in [0, 1] -> all that it must tell, (b, 3 + 6 + 64)."""
        return self.head(self.net(images - 0.5))

    def features(self, frames: Tensor) -> Tensor:
        """uint8 frames (b, 64, 64, 3) -> features (b, f), of mean 0 and deviation 1 over real frames."""
        mean, deviation = self.scale
        return (self.net(to_float(frames) - 0.5) - mean) / deviation


def _strided(*channels: int, kernels: tuple[int, ...]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for (before, after), kernel in zip(pairwise(channels), kernels, strict=True):
        layers += [nn.Conv2d(before, after, kernel, stride=2, padding=(kernel - 1) // 2), nn.ReLU()]
    return layers


@dataclass(frozen=True, kw_only=True, eq=False)
class Judges:
    """The three, ready to judge."""

    state_probe: StateProbe
    attribute_classifier: AttributeClassifier
    domain_net: DomainNet
    meta: Mapping[str, Any]
    """How they were trained, and how well they do on real frames of validation tracks."""

    def state(self, frames: Frames) -> Floats:
        """Frames (n, 64, 64, 3) -> (n, 3) in the order of `STATE` and its units."""
        return self._batched(self.state_probe.state, frames, len(STATE))

    def features(self, frames: Frames) -> Floats:
        """Frames (n, 64, 64, 3) -> (n, 128), of mean 0 and deviation 1 over real frames."""
        return self._batched(self.domain_net.features, frames, NUM_FEATURES)

    def attributes(self, frames: Frames) -> Floats:
        """Frames (n, 64, 64, 3) -> probabilities (n, 6) in the order of `ATTRIBUTES`."""

        def judge(some: Tensor) -> Tensor:
            return self.attribute_classifier(to_float(some)).sigmoid()

        return self._batched(judge, frames, len(ATTRIBUTES))

    def modules(self) -> dict[str, nn.Module]:
        """By name."""
        return {
            "state_probe": self.state_probe,
            "attribute_classifier": self.attribute_classifier,
            "domain_net": self.domain_net,
        }

    @torch.inference_mode()
    def _batched(self, function: Callable[[Tensor], Tensor], frames: Frames, width: int) -> Floats:
        device = self.state_probe.scale.device
        parts = [function(some).cpu().numpy() for some in batches(frames, _BATCH, device)]
        return np.concatenate(parts) if parts else np.zeros((0, width), np.float32)


def save_judges(folder: Path, judges: Judges) -> Path:
    """Writes them to `folder` in one file, and gives its path."""
    tensors = {
        f"{name}.{key}": tensor
        for name, module in judges.modules().items()
        for key, tensor in module.state_dict().items()
    }
    checkpoint.save(folder / FILE, tensors, signed({**judges.meta, "kind": "judges"}))
    return folder / FILE


def load_judges(folder: Path | None = None, device: torch.device | str = "cpu") -> Judges:
    """What `save_judges` wrote to `folder`; without one, those that ship; on a device. Raises UserError where they are
    missing, damaged or of another version."""
    if folder is None:
        with as_file(files("reverie") / "judges" / FILE) as path:
            return _load(path, device)
    return _load(folder / FILE, device)


def _load(path: Path, device: torch.device | str) -> Judges:
    tensors, meta = checkpoint.load(path)
    if meta.get("kind") != "judges":
        raise UserError(
            f"{path} holds {meta.get('kind', 'no model')!r} where 'judges' were expected: name another file"
        )
    judges = Judges(
        state_probe=StateProbe(), attribute_classifier=AttributeClassifier(), domain_net=DomainNet(), meta=meta
    )
    for name, module in judges.modules().items():
        own = {key.removeprefix(f"{name}."): tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")}
        try:
            module.load_state_dict(own)
        except RuntimeError as error:
            raise other_version(path, meta, f"{name} has other weights", "make the judges anew") from error
        module.eval().requires_grad_(False).to(device)
    return judges
