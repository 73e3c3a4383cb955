"""How true a vision model's pictures are, by measures that have shown that they can tell.

Measures are taken of reconstructions of the mean latent, by track, so that two models on the same tracks can be
compared in pairs, and go through the gate of `gate.py`.

Shapes: n frames of (64, 64, 3) uint8, m of them for training, g tracks, z latent.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from reverie.measure.truth.judges import Judges
from reverie.measure.truth.labelled import STATE, LabelledFrames
from reverie.measure.vision import masks, paired
from reverie.measure.vision.gate import CONTROLS, Better, Gate, Measure, Refusal
from reverie.measure.vision.neighbours import covered, kernel_distance, manifold
from reverie.models.autoencoder import Autoencoder
from reverie.models.coding import batches, decode, encode, reconstruct
from reverie.models.vae_gan import VaeGan
from reverie.seeding import generator
from reverie.types import Frames

SHIFTS = (1, 2, 3, 4)
"""Pixels."""
_RIDGE = 1e-3
"""Of the linear probe, as a share of the latents' variance."""


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """All measures of one model on the same frames."""

    tracks: tuple[int, ...]
    """Reset seeds, in rising order."""
    num_frames: int
    num_train_frames: int
    measures: tuple[Measure, ...]
    refused: tuple[Refusal, ...]

    def measure(self, name: str) -> Measure | None:
        """By name; None where it was refused."""
        return next((found for found in self.measures if found.name == name), None)


def measure_fidelity(
    vision: Autoencoder, judges: Judges, frames: LabelledFrames, train: LabelledFrames, seed: int = 0
) -> Fidelity:
    """Measures `vision` (on the CPU) on `frames`. `train`, of other tracks, fits the linear probe and is the real world
    that sets of frames are compared with; `seed` draws the samples from the prior, the same for each model."""
    tracks, track = np.unique(frames.track, return_inverse=True)
    gate = Gate(track)
    views = _views(frames.frames, frames.frames[paired.another_track(frames.track)])
    z = {name: encode(vision, view)[0] for name, view in views.items()}
    reconstructions = decode(vision, z["real"])
    _measure_pairs(gate, judges, frames, {"model": reconstructions, **views})
    _measure_sets(gate, judges, frames, train, vision, reconstructions, seed)
    _measure_latents(gate, judges, frames, train, vision, z)
    _measure_shifts(gate, vision, frames)
    return Fidelity(
        tracks=tuple(tracks.tolist()),
        num_frames=len(frames),
        num_train_frames=len(train),
        measures=tuple(gate.measures),
        refused=tuple(gate.refused),
    )


def _views(real: Frames, wrong: Frames) -> dict[str, Frames]:
    """The controls."""
    blurs = (paired.blurred(real, sigma) for sigma in (paired.MILD, paired.STRONG))
    return dict(zip(CONTROLS, (real, *blurs, wrong), strict=True))


def _measure_pairs(gate: Gate, judges: Judges, frames: LabelledFrames, views: Mapping[str, Frames]) -> None:
    """(a) what the state probe reads off the pictures, in the units of the state: its error against the truth, and how
    far it is from what it reads off the real frames, where its own error is no floor; (c), (d), (e)."""
    read = {name: judges.state(view) for name, view in views.items()}
    for what, against in (("error", frames.state), ("change", read["real"])):
        for i, name in enumerate(STATE):
            off = {view: gate.by_track(np.abs(found - against)[:, i]) for view, found in read.items()}
            gate.add(f"{name} {what}", "lower", off)
    real = frames.frames
    road = masks.road_mask(real)
    road_of = {name: masks.road_mask(view) for name, view in views.items()}
    functions: list[tuple[str, Better, Callable[[str], np.ndarray]]] = [
        ("sharpness", "near 1", lambda name: paired.sharpness(views[name], real)),
        ("road IoU", "higher", lambda name: masks.mask_iou(road_of[name], road)),
        ("road boundary F1", "higher", lambda name: masks.boundary_f1(road_of[name], road)),
        ("PSNR", "higher", lambda name: paired.psnr(views[name], real)),
        ("MS-SSIM", "higher", lambda name: paired.ms_ssim(views[name], real)),
    ]
    for name, better, function in functions:
        gate.add(name, better, {view: gate.by_track(function(view)) for view in views})


def _measure_sets(
    gate: Gate,
    judges: Judges,
    frames: LabelledFrames,
    train: LabelledFrames,
    vision: Autoencoder,
    reconstructions: Frames,
    seed: int,
) -> None:
    """(b), of reconstructions and of samples from the prior. A wrong frame is one of another world."""
    reference = train.select(_spread(len(train), len(frames)))
    noise = generator(seed, "fidelity", "samples").normal(size=(len(frames), vision.z_size)).astype(np.float32)
    test = _set_views(frames.frames) | {"model": reconstructions, "samples": decode(vision, noise)}
    again = _set_views(reference.frames) | {"model": reconstruct(vision, reference.frames)}
    x = {name: judges.features(view) for name, view in test.items()}
    y = {name: judges.features(view) for name, view in again.items()} | {"samples": x["samples"]}
    track_of = {name: frames.track if name == "samples" else reference.track for name in y}
    radii = manifold(y["real"], reference.track)
    kid = {name: kernel_distance(x[name], y["real"], frames.track, reference.track)[1] for name in x}
    precision = {name: gate.by_track(covered(x[name], y["real"], radii)) for name in x}
    recall = {name: gate.by_track(covered(x["real"], y[name], manifold(y[name], track_of[name]))) for name in y}
    kinds: list[tuple[str, Better, dict[str, np.ndarray]]] = [
        ("KID", "lower", kid),
        ("precision", "higher", precision),
        ("recall", "higher", recall),
    ]
    for name, better, values in kinds:
        gate.add(name, better, values)
        gate.add(f"{name} of samples", better, values | {"model": values["samples"]})


def _set_views(real: Frames) -> dict[str, Frames]:
    return _views(real, paired.another_world(real))


def _spread(among: int, num: int) -> np.ndarray:
    return np.unique(np.linspace(0, among - 1, min(num, among)).astype(np.int64))


def _measure_latents(
    gate: Gate,
    judges: Judges,
    frames: LabelledFrames,
    train: LabelledFrames,
    vision: Autoencoder,
    z: Mapping[str, np.ndarray],
) -> None:
    """(f) the share of the state's variance that a linear map from z does not explain (1 - R2). The model's own is that
    of real frames; the floor is that of the state probe, which sees the frames."""
    z_train = encode(vision, train.frames)[0]
    told = {name: linear_reading(z_train, train.state, values) for name, values in z.items()}
    told["floor"] = judges.state(frames.frames)
    variance = frames.state.var(0)
    for i, name in enumerate(STATE):
        missed = {
            view: gate.by_track((found[:, i] - frames.state[:, i]) ** 2 / variance[i]) for view, found in told.items()
        }
        missed["model"] = missed["real"]
        gate.add(f"{name} from z, 1-R2", "lower", missed, floor=float(missed["floor"].mean()))


def linear_reading(z: np.ndarray, state: np.ndarray, at: np.ndarray) -> np.ndarray:
    """What ridge regression of the state (m, s) on z (m, z) says `at` others (n, z): (n, s)."""
    mean, deviation = z.mean(0), np.maximum(z.std(0), 1e-6)
    x = (z - mean) / deviation
    weights = np.linalg.solve(x.T @ x + _RIDGE * len(x) * np.eye(x.shape[1]), x.T @ (state - state.mean(0)))
    return (at - mean) / deviation @ weights + state.mean(0)


def _measure_shifts(gate: Gate, vision: Autoencoder, frames: LabelledFrames) -> None:
    """(g) on the first frame of each track: its distance to itself moved aside by 1 to 4 pixels, averaged, relative to
    the mean distance to a frame of another track; in pixels, latents, and the features of a discriminator."""
    _, first = np.unique(frames.track, return_index=True)
    some = frames.select(first)
    moved = {f"{pixels} px": paired.shifted(some.frames, pixels) for pixels in SHIFTS}
    views = _views(some.frames, some.frames[paired.another_track(some.track)]) | moved
    spaces: dict[str, Callable[[Frames], np.ndarray]] = {
        "pixels": lambda view: view.reshape(len(view), -1).astype(np.float32) / 255,
        "latents": lambda view: encode(vision, view)[0],
    }
    if isinstance(vision, VaeGan):
        spaces["features"] = lambda view: _features(vision, view)
    for space, function in spaces.items():
        real = function(some.frames)
        distance = {
            name: np.sqrt(np.square(function(view) - real).mean(1)).astype(np.float64) for name, view in views.items()
        }
        unit = distance["wrong frame"].mean()
        distance = {name: found / max(unit, 1e-12) for name, found in distance.items()}
        distance["model"] = np.mean([distance[name] for name in moved], 0)
        parts = {name: float(distance[name].mean()) for name in moved}
        gate.add(f"shift in {space}", "lower", distance, parts=parts)


@torch.inference_mode()
def _features(vision: VaeGan, frames: Frames) -> np.ndarray:
    device = next(vision.parameters()).device
    return torch.cat([vision.features(some) for some in batches(frames, 128, device)]).cpu().numpy()
