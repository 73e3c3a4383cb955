"""Latent arithmetic, on a vision whose latents are the attributes, so that the answer is known."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch import Tensor

from reverie.measure.statistics import wilson_interval
from reverie.measure.truth.labelled import ATTRIBUTES, LabelledFrames
from reverie.measure.vision.arithmetic import NUM_DOSES, Arithmetic, measure_arithmetic
from reverie.measure.vision.attribute_vectors import LocalVector, attribute_vectors, contrast, shifts
from reverie.models.autoencoder import Autoencoder, NetConfig
from reverie.models.distributions import DiagonalGaussian

K, SPARE = len(ATTRIBUTES), 26
LEFT, RIGHT, STRAIGHT, GRASS, KERB, BESIDE = range(K)


class Toy(Autoencoder):
    """Pixel i of a frame is 100 (1 + z[i] / 2): latent i is attribute i, and 26 more that mean nothing."""

    def __init__(self) -> None:
        super().__init__(NetConfig(z_size=K + SPARE, encoder_channels=(1, 1, 1, 1), decoder_features=1))

    def encode(self, frames: Tensor) -> DiagonalGaussian:
        z = (frames.flatten(1)[:, : self.z_size].float() / 100 - 1) * 2
        return DiagonalGaussian(z, torch.full_like(z, -9.0))

    def decode(self, z: Tensor) -> Tensor:
        frames = torch.zeros(len(z), 64 * 64 * 3, dtype=torch.uint8)
        frames[:, : self.z_size] = (100 * (1 + z / 2)).round().clamp(0, 255).to(torch.uint8)
        return frames.view(-1, 64, 64, 3)


class ToyJudge:
    """An attribute is there from 0.6 of it on."""

    def attributes(self, frames: np.ndarray) -> np.ndarray:
        z = (frames.reshape(len(frames), 64 * 64 * 3)[:, :K] / 100.0 - 1) * 2
        return 1 / (1 + np.exp(-8 * (z - 0.6)))


def made_up(num: int, seed: int) -> LabelledFrames:
    rng = np.random.default_rng(seed)
    attributes = np.zeros((num, K), np.int8)
    attributes[np.arange(num), rng.integers(0, 3, num)] = 1  # left, right or straight
    attributes[:, GRASS:] = rng.integers(0, 2, (num, 3))
    attributes[:, BESIDE] |= attributes[:, GRASS]
    z = torch.from_numpy(np.hstack([attributes, 0.2 * rng.normal(size=(num, SPARE))]).astype(np.float32))
    return LabelledFrames(
        frames=Toy().decode(z).numpy(),
        state=rng.normal(size=(num, 3)).astype(np.float32),
        attributes=attributes,
        track=np.arange(num) // 4,
    )


@pytest.fixture(scope="module")
def measured() -> Arithmetic:
    return measure_arithmetic(Toy(), ToyJudge(), made_up(800, 0), made_up(80, 1), made_up(160, 2), seed=0)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_one_vector_does_what_it_says(measured: Arithmetic, name: str):
    score = measured.score(name, "one")
    assert score.edit.flip == 1
    assert score.edit.keep == 1
    assert score.edit.monotone == 1
    assert score.edit.spearman is not None
    assert score.edit.spearman > 0.95
    assert len(score.edit.response) == NUM_DOSES
    assert score.edit.response[0] < 0.1 < 0.5 < score.edit.response[-1]
    assert score.random.flip is not None
    assert score.random.flip < 0.3
    assert score.flip_ci95 == wilson_interval(1.0, score.num_tracks)


def test_local_vectors_too(measured: Arithmetic):
    for name in ("left curve", "right curve", "kerb in view"):
        edit = measured.score(name, "local").edit
        assert edit.flip is not None
        assert edit.keep is not None
        assert edit.flip > 0.95
        assert edit.keep > 0.9


def test_it_fits_into_json_and_says_what_the_judge_can_see(measured: Arithmetic):
    found = json.loads(json.dumps(asdict(measured)))
    assert found["judge_on_reconstructions"] == dict.fromkeys(ATTRIBUTES, 1.0)
    assert len(found["scores"]) == 2 * K
    assert found["num_test_frames"] == 160


def test_what_the_target_implies_is_shown_but_not_counted():
    test = made_up(160, 2)

    class Strict(ToyJudge):
        """Sees a kerb wherever the road bends to the left, and a car beside the centre wherever it is on grass."""

        def attributes(self, frames: np.ndarray) -> np.ndarray:
            found = super().attributes(frames)
            found[:, KERB] = np.maximum(found[:, KERB], found[:, LEFT])
            found[:, BESIDE] = np.maximum(found[:, BESIDE], found[:, GRASS])
            return found

    measured = measure_arithmetic(Toy(), Strict(), made_up(400, 0), made_up(80, 1), test, seed=0)
    left, grass = measured.score("left curve", "one").edit, measured.score("on grass", "one").edit
    assert left.keep == grass.keep == 1
    for edit, name in ((left, "kerb in view"), (grass, "beside the centre")):
        kept = edit.keep_each[name]
        assert kept is not None
        assert kept < 0.9


def test_the_scale_is_chosen_on_the_tracks_for_it():
    class Deaf(ToyJudge):
        """Says yes to an attribute only from 1.6 of it on."""

        def attributes(self, frames: np.ndarray) -> np.ndarray:
            z = (frames.reshape(len(frames), 64 * 64 * 3)[:, :K] / 100.0 - 1) * 2
            return 1 / (1 + np.exp(-8 * (z - 1.6)))

    sets = made_up(400, 0), made_up(80, 1), made_up(80, 2)
    assert measure_arithmetic(Toy(), Deaf(), *sets, seed=0).score("on grass", "one").scale == 1.75
    assert measure_arithmetic(Toy(), ToyJudge(), *sets, seed=0).score("on grass", "one").scale == 0.75


def test_attribute_vectors_hold_the_other_attributes_equal():
    rng = np.random.default_rng(0)
    attributes = made_up(2000, 3).attributes
    attributes[:, KERB] = np.where(
        rng.random(2000) < 0.8, attributes[:, LEFT], attributes[:, KERB]
    )  # curves have kerbs
    effect = rng.normal(size=(K, 5))
    effect[STRAIGHT] = 0  # that a curve is measured from
    z = (attributes @ effect).astype(np.float32)
    vectors = attribute_vectors(z, attributes)
    for target in (LEFT, RIGHT, KERB):
        np.testing.assert_allclose(vectors[target], effect[target], atol=1e-5)
    a, b = contrast(attributes, LEFT)
    plain = z[a].mean(0) - z[b].mean(0)
    assert np.abs(plain - effect[LEFT]).max() > 0.1


def test_attribute_vectors_by_hand():
    attributes = np.zeros((40, K), np.int8)
    attributes[:, STRAIGHT] = 1
    attributes[:10, KERB] = attributes[20:35, KERB] = 1
    attributes[20:, BESIDE] = 1
    z = np.arange(40, dtype=np.float32)[:, None] ** 2
    first, second = z[:10].mean() - z[10:20].mean(), z[20:35].mean() - z[35:].mean()
    weights = 1 / (1 / 10 + 1 / 10), 1 / (1 / 15 + 1 / 5)
    expected = (weights[0] * first + weights[1] * second) / sum(weights)
    vectors = attribute_vectors(z, attributes)
    assert vectors[KERB, 0] == pytest.approx(expected)
    assert vectors[LEFT, 0] == vectors[GRASS, 0] == 0  # there is none


def test_local_vector_by_hand():
    with_it, without = np.array([[1.0, 1], [2, 1], [9, 9]]), np.array([[1.0, 0], [2, 0], [9, 8]])
    local = LocalVector(with_it=with_it, without=without, neighbours=2)
    np.testing.assert_allclose(local(np.array([[1.5, 0.0], [9, 9]])), [[0, 1], [0, 1]], atol=1e-12)
    none = LocalVector(with_it=with_it[:0], without=without, neighbours=2)
    np.testing.assert_array_equal(none(np.ones((3, 2))), np.zeros((3, 2)))


def test_local_and_one_vector_are_the_same_where_all_are_neighbours(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("reverie.measure.vision.attribute_vectors.NEIGHBOURS", (10**6,))
    attributes = np.zeros((60, K), np.int8)
    attributes[:, STRAIGHT] = 1
    attributes[:20, KERB] = 1
    z = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    made = shifts(z, attributes)
    np.testing.assert_allclose(made[KERB, "local"][0](z), made[KERB, "one"][0](z), atol=1e-6)


def test_too_few_frames_are_no_error():
    few = made_up(3, 0)
    nothing = few.select(np.zeros(3, bool))
    measured = measure_arithmetic(Toy(), ToyJudge(), few, few, nothing, seed=0)
    score = measured.score("on grass", "local")
    assert score.edit.flip is None
    assert score.edit.keep is None
    assert score.flip_ci95 is None
    json.dumps(asdict(measured))
