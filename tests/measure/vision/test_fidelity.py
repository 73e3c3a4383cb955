"""Fidelity: what a perfect, a blurring and a forgetful model get, and the gate."""

from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor

from reverie.measure.truth.judges import Judges
from reverie.measure.truth.labelled import LabelledFrames
from reverie.measure.vision import paired
from reverie.measure.vision.fidelity import Fidelity, measure_fidelity
from reverie.measure.vision.gate import CONTROLS, Gate, ranking_fault
from reverie.models.autoencoder import Autoencoder
from reverie.models.distributions import DiagonalGaussian


def labelled(n: int, first_track: int) -> LabelledFrames:
    """Roads of one width, anywhere: their offset is known."""
    rng = np.random.default_rng(first_track)
    frames = np.empty((n, 64, 64, 3), np.uint8)
    frames[:] = (102, 204, 102)
    place = rng.integers(4, 44, n)
    for frame, left in zip(frames, place, strict=True):
        frame[:, left : left + 16] = (102, 102, 102)
    state = np.stack([place / 10, rng.normal(size=n), rng.normal(size=n)], 1).astype(np.float32)
    track = first_track + np.repeat(np.arange(n // 2), 2)
    return LabelledFrames(frames=frames, state=state, attributes=np.zeros((n, 6), np.int8), track=track)


class RoadJudge:
    """Finds the road's left edge."""

    def state(self, frames: np.ndarray) -> np.ndarray:
        edge = (102 + 51 - np.minimum(frames[:, 32, :, 1].astype(np.float32), 153)).cumsum(1)
        place = (edge < 0.5 * edge[:, -1:] - 8 * 51 + 1).sum(1)
        return np.stack([place / 10, 0 * place, 0 * place], 1).astype(np.float32)

    def features(self, frames: np.ndarray) -> np.ndarray:
        return frames[:, 20, ::4].reshape(len(frames), -1).astype(np.float32) / 255


class Pixels(torch.nn.Module):
    """Its latent is one row of the frame, and so it knows it all."""

    z_size = 64 * 3

    def encode(self, frames: Tensor) -> DiagonalGaussian:
        mu = frames[:, 32].flatten(1).float()
        return DiagonalGaussian(mu, torch.zeros_like(mu))

    def decode(self, z: Tensor) -> Tensor:
        return z.round().clamp(0, 255).to(torch.uint8).reshape(-1, 1, 64, 3).repeat(1, 64, 1, 1)


class Blurring(Pixels):
    def decode(self, z: Tensor) -> Tensor:
        return torch.from_numpy(paired.blurred(super().decode(z).numpy(), 1.2))


class Forgetful(Pixels):
    def decode(self, z: Tensor) -> Tensor:
        return super().decode(torch.full_like(z, 102.0))


def measure(model: type[Pixels]) -> Fidelity:
    frames, train = labelled(60, 500), labelled(80, 10_000)
    return measure_fidelity(cast(Autoencoder, model()), cast(Judges, RoadJudge()), frames, train)


def value(found: Fidelity, name: str) -> float:
    measured = found.measure(name)
    assert measured is not None, found.refused
    return measured.mean


def test_a_perfect_model_gets_what_real_frames_get():
    found = measure(Pixels)
    for name in ("sharpness", "PSNR", "MS-SSIM"):
        measured = found.measure(name)
        assert measured is not None
        assert measured.mean == pytest.approx(measured.floor), name
        assert measured.floor == measured.controls["real"]
    assert value(found, "sharpness") == pytest.approx(1)
    assert value(found, "PSNR") == paired.MOST_DECIBELS
    assert len(found.tracks) == 30
    assert all(len(measured.per_track) == 30 for measured in found.measures)


def test_models_rank_as_they_should():
    perfect, blurring, forgetful = map(measure, (Pixels, Blurring, Forgetful))
    for name in ("sharpness", "PSNR", "MS-SSIM"):
        assert value(perfect, name) > value(blurring, name) > value(forgetful, name), name
    assert value(forgetful, "sharpness") == pytest.approx(0, abs=1e-6)


def test_what_does_not_rank_is_refused():
    # Blur does not move the edges of a straight road, so that its mask cannot tell.
    found = measure(Pixels)
    assert found.measure("road IoU") is None
    assert "road IoU" in {refusal.name for refusal in found.refused}


def controls(*means: float) -> dict[str, np.ndarray]:
    return {name: np.full(5, mean) for name, mean in zip((*CONTROLS, "model"), (*means, 0.5), strict=True)}


@pytest.mark.parametrize(
    ("means", "better", "fault"),
    [
        ((0.0, 1.0, 2.0, 3.0), "lower", ""),
        ((0.0, 1.0, 1.0, 3.0), "lower", "strong blur is not worse than mild blur"),
        ((0.0, 1.0, 2.0, 3.0), "higher", "mild blur is not worse than real"),
        ((3.0, 2.0, 1.0, 0.0), "higher", ""),
        ((1.0, 0.8, 1.3, 0.0), "near 1", ""),
        ((1.0, 0.8, 0.5, 0.6), "near 1", "wrong frame is not worse than strong blur"),
    ],
)
def test_the_gate(means, better, fault):
    values = controls(*means)
    found, doubt = ranking_fault(values, better)
    assert found.startswith(fault)
    assert bool(found) == bool(fault)
    assert not doubt
    gate = Gate(np.repeat(np.arange(5), 2))
    gate.add("measure", better, values)
    assert [len(gate.measures), len(gate.refused)] == ([0, 1] if fault else [1, 0])


def test_what_ranks_by_chance_alone_is_doubted():
    values = controls(0.0, 1.0, 2.0, 3.0)
    values["strong blur"] = values["strong blur"] + np.array([-9.0, 10.0, -8.0, 9.0, 0.0])
    assert ranking_fault(values, "lower") == ("", "strong blur is not surely worse than mild blur")


def test_means_by_track():
    gate = Gate(np.array([0, 0, 1]))
    np.testing.assert_array_equal(gate.by_track(np.array([1.0, 3.0, 10.0])), [2.0, 10.0])
