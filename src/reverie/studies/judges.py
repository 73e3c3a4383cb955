"""Training of the judges (`measure/truth/judges.py`) on real frames with the truth about them.

Shapes: b batch, n frames of (64, 64, 3) uint8, o outputs.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from reverie import dynamo
from reverie.devices import autocast, chosen_device, sent
from reverie.measure.statistics import auc
from reverie.measure.truth.judges import GRID, AttributeClassifier, DomainNet, Judges, StateProbe, save_judges
from reverie.measure.truth.labelled import ATTRIBUTES, STATE, LabelledFrames, joined, labelled_frames
from reverie.measure.vision.masks import KERB, classes, grid_content
from reverie.models.conv import to_float
from reverie.progress import Progress
from reverie.seeding import TRAINING_TRACKS, VALIDATION_TRACKS, generator, sample_tracks, torch_generator, torch_seeded
from reverie.training.loop import descend
from reverie.types import Device, Frames, Positive

GRASS = (102, 204, 102)
KERB_IN_VIEW = ATTRIBUTES.index("kerb in view")
_DRAWN_AT_ONCE = 256
"""Tracks between two reports of progress."""


@dataclass(frozen=True, kw_only=True)
class JudgesConfig:
    """How the judges are trained."""

    seed: int = 0
    """Of tracks, drivers, weights and batches."""
    tracks: Positive = 5000
    """Training tracks of state probe and attribute classifier; about 4 frames each."""
    domain_tracks: Positive = 3000
    """Other ones, of the domain network."""
    held_out_tracks: Positive = 300
    """Validation tracks on which the judges are judged."""
    steps: Positive = 1500
    """Of each network."""
    batch_size: Positive = 64
    """Frames of a step."""
    learning_rate: float = 2e-3
    """At the start; it falls to 0 along a cosine."""
    weight_decay: float = 1e-3
    """Of AdamW."""


class Targets(NamedTuple):
    """What is true of n frames, as the losses want it."""

    state: Tensor
    """(n, 3) in standard deviations."""
    attributes: Tensor
    """(n, 6) int8, -1 where not known."""
    content: Tensor
    """(n, 4, 4, 4) standardised: class, row and column of the grid; (n, 0, 4, 4) where nobody asks."""

    def at(self, index: Tensor) -> "Targets":
        """Of some of the frames."""
        return Targets(*(values[index] for values in self))

    def mirrored(self) -> "Targets":
        """Of the frames with left and right exchanged."""
        return Targets(-self.state, self.attributes[:, [1, 0, 2, 3, 4, 5]], self.content.flip(3))


Loss = Callable[[Tensor, Targets], Tensor]
Disturb = Callable[[Tensor, torch.Generator], Tensor]
"""What is done to images (b, 3, 64, 64) before they are shown."""


def train_judges(
    folder: Path, config: JudgesConfig | None = None, *, device: Device = "cpu", quiet: bool = False
) -> Judges:
    """Draws frames, trains the three networks on them on a device, and writes them to `folder`."""
    config, where = config or JudgesConfig(), chosen_device(device)
    tracks = sample_tracks(generator(config.seed, "judges", "tracks"), config.tracks + config.domain_tracks)
    held_out = sample_tracks(generator(config.seed, "judges", "held out"), config.held_out_tracks, VALIDATION_TRACKS)
    main = _draw("frames", tracks[: config.tracks], config.seed, quiet=quiet)
    domain = _draw("frames of the domain", tracks[config.tracks :], config.seed + 1, quiet=quiet)
    judges = fit_judges(main, domain, config, where, quiet=quiet)
    facts = {
        "config": asdict(config),
        "frames": len(main),
        "domain_frames": len(domain),
        "tracks": f"drawn from {TRAINING_TRACKS}",
        "held_out": accuracy(judges, _draw("held-out frames", held_out, config.seed, quiet=quiet)),
    }
    judges = Judges(**judges.modules(), meta=facts)  # pyright: ignore[reportArgumentType] (three modules by name)
    save_judges(folder, judges)
    return judges


def fit_judges(
    main: LabelledFrames,
    domain: LabelledFrames,
    config: JudgesConfig,
    device: torch.device,
    *,
    quiet: bool = False,
) -> Judges:
    """The three networks, fitted: state probe and attribute classifier on `main`, the domain network on `domain`."""
    with torch_seeded(config.seed, "judges", "weights"):
        probe, classifier, net = StateProbe(), AttributeClassifier(), DomainNet()
    for model in (probe, classifier, net):
        model.to(device)
    deviation = main.state.std(0)
    probe.scale[:] = torch.from_numpy(np.stack([np.zeros_like(deviation), deviation]))
    truth = _targets(main, content=False)
    _fit("state probe", probe, main.frames, truth, _state_loss, config, _roughen, quiet=quiet)
    bare, unseen = without_kerbs(main.frames), truth.attributes.clone()
    unseen[main.attributes[:, KERB_IN_VIEW] == 1, KERB_IN_VIEW] = -1
    frames = np.concatenate([main.frames, bare])
    both = Targets(*(torch.cat(pair) for pair in zip(truth, truth._replace(attributes=unseen), strict=True)))
    _fit("attributes", classifier, frames, both, _attribute_loss, config, _soften, quiet=quiet)
    _fit("domain", net, domain.frames, _targets(domain, content=True), _domain_loss, config, None, quiet=quiet)
    judges = Judges(state_probe=probe, attribute_classifier=classifier, domain_net=net, meta={})
    features = judges.features(domain.frames)
    deviation = features.std(0)
    net.scale[:] = torch.from_numpy(np.stack([features.mean(0), np.where(deviation > 1e-4, deviation, 1)]))
    return judges


def accuracy(judges: Judges, frames: LabelledFrames) -> dict[str, Any]:
    """How well they do on real frames: R2 and mean absolute error of the state; of each attribute the share of right
    answers, and the probability that a frame with it is ranked above one without (AUC)."""
    state, probability = judges.state(frames.frames), judges.attributes(frames.frames)
    found: dict[str, Any] = {"frames": len(frames), "state": {}, "attributes": {}}
    for i, name in enumerate(STATE):
        error, true = state[:, i] - frames.state[:, i], frames.state[:, i]
        r2 = 1 - (error**2).sum() / ((true - true.mean()) ** 2).sum()
        found["state"][name] = {"r2": round(float(r2), 4), "mean_absolute_error": round(float(np.abs(error).mean()), 5)}
    for i, name in enumerate(ATTRIBUTES):
        known = frames.attributes[:, i] >= 0
        yes, p = frames.attributes[known, i] == 1, probability[known, i]
        right = round(float(((p >= 0.5) == yes).mean()), 4)
        area = auc(p, yes)
        found["attributes"][name] = {
            "accuracy": right,
            "auc": None if area is None else round(area, 4),
            "share": round(float(yes.mean()), 4),
        }
    return found


def _draw(name: str, tracks: list[int], seed: int, *, quiet: bool) -> LabelledFrames:
    parts = []
    with Progress(name, len(tracks), "tracks", quiet=quiet) as bar:
        for first in range(0, len(tracks), _DRAWN_AT_ONCE):
            some = tracks[first : first + _DRAWN_AT_ONCE]
            parts.append(labelled_frames(some, int(generator(seed, "judges", name, first).integers(2**31))))
            bar.advance(len(some))
    return joined(parts)


def _fit(
    name: str,
    model: nn.Module,
    frames: np.ndarray,
    truth: Targets,
    loss: Loss,
    config: JudgesConfig,
    disturb: Disturb | None,
    *,
    quiet: bool,
) -> None:
    """Fits `model` on random batches, every other one mirrored, and disturbed."""
    rng = torch_generator(config.seed, "judges", name)
    device = next(model.parameters()).device
    data = torch.from_numpy(frames)
    model.to(memory_format=torch.channels_last).train()  # pyright: ignore[reportCallIssue] (torch's stubs lack it)
    with dynamo.in_private():
        optimizer = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)

    def error(step: int) -> Tensor:
        index = torch.randint(len(data), (config.batch_size,), generator=rng)
        images, true = to_float(data[index]), truth.at(index)
        if step % 2:
            images, true = images.flip(3), true.mirrored()
        if disturb:
            images = disturb(images, rng)
        with autocast(device, "auto"):
            output = model(sent(images, device))
        return loss(output.float(), Targets(*(sent(values, device) for values in true)))

    with Progress(name, config.steps * config.batch_size, "images", quiet=quiet) as bar:
        descend(optimizer, error, config.steps, lambda value: bar.advance(config.batch_size, loss=float(value)))
    model.eval().requires_grad_(False)


def _roughen(images: Tensor, rng: torch.Generator) -> Tensor:
    """Contrast and brightness off by some hundredths, and noise of up to 6 levels of 255: no blur, which must cost
    whatever the state probe judges."""
    b, c, h, w = images.shape
    gain = 1 + 0.05 * torch.randn((b, 3, 1, 1), generator=rng)
    shift = 0.03 * torch.randn((b, 3, 1, 1), generator=rng)
    noise = torch.randn((b, h, w, c), generator=rng).permute(0, 3, 1, 2)
    return images * gain + shift + noise * (6 / 255) * torch.rand((b, 1, 1, 1), generator=rng)


def _soften(images: Tensor, rng: torch.Generator) -> Tensor:
    """The same, and a blur of up to 1.5 pixels for a batch: whether a road bends is to be told from its shape."""
    sigma = 0.05 + 1.45 * torch.rand((), generator=rng)
    kernel = torch.exp(-0.5 * (torch.arange(-4, 5) / sigma).square())
    kernel = (kernel / kernel.sum()).expand(3, 1, 1, -1)
    padded = functional.pad(_roughen(images, rng), (4, 4, 4, 4), mode="replicate")
    return functional.conv2d(functional.conv2d(padded, kernel, groups=3), kernel.mT, groups=3)


def without_kerbs(frames: Frames) -> Frames:
    """Frames (n, 64, 64, 3) with grass where a kerb was. Curves have kerbs: a network that is shown no curve without
    one tells curves by them, and is at a loss with the pictures of a model that does not draw them."""
    return np.where((classes(frames) == KERB)[..., None], np.array(GRASS, np.uint8), frames)


def _targets(labelled: LabelledFrames, *, content: bool) -> Targets:
    grid = np.zeros((len(labelled), 0, GRID, GRID), np.float32)
    if content:
        starts = range(0, len(labelled), _DRAWN_AT_ONCE)
        grid = np.concatenate([grid_content(labelled.frames[i : i + _DRAWN_AT_ONCE], GRID) for i in starts])
        grid = (grid - grid.mean(0)) / np.maximum(grid.std(0), 0.01)  # some parts hardly ever hold a kerb
    return Targets(
        torch.from_numpy(labelled.state / labelled.state.std(0)).float(),
        torch.from_numpy(labelled.attributes),
        torch.from_numpy(grid).float(),
    )


def _state_loss(output: Tensor, truth: Targets) -> Tensor:
    """Huber's, mean over batch and state: a car beside a hairpin may have two nearest pieces of road."""
    return functional.smooth_l1_loss(output, truth.state, beta=0.5)


def _attribute_loss(output: Tensor, truth: Targets) -> Tensor:
    """Cross entropy, mean over the labels that are known."""
    known = truth.attributes >= 0
    return functional.binary_cross_entropy_with_logits(output[known], truth.attributes[known].float())


def _domain_loss(output: Tensor, truth: Targets) -> Tensor:
    """State, attributes and content, each a mean."""
    content = truth.content.flatten(1)
    state, attributes, told = output.split([len(STATE), len(ATTRIBUTES), content.shape[1]], 1)
    return _state_loss(state, truth) + _attribute_loss(attributes, truth) + functional.mse_loss(told, content)
