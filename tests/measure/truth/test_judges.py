"""Judges: those that ship know real frames of tracks they never saw, and files are checked."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import reverie
from reverie import checkpoint
from reverie.errors import UserError
from reverie.measure.truth.judges import FILE, Judges, load_judges, save_judges
from reverie.measure.truth.labelled import LabelledFrames, labelled_frames
from reverie.measure.vision.masks import grid_content
from reverie.measure.vision.paired import blurred
from reverie.seeding import VALIDATION_TRACKS
from reverie.studies.judges import JudgesConfig, accuracy, fit_judges


@pytest.fixture(scope="module")
def judges() -> Judges:
    return load_judges()


@pytest.fixture(scope="module")
def labelled() -> LabelledFrames:
    return labelled_frames([*VALIDATION_TRACKS[-50:]], 9)


def test_those_that_ship_know_real_frames(judges: Judges, labelled: LabelledFrames) -> None:
    found = accuracy(judges, labelled)
    assert found["state"]["offset"]["r2"] > 0.95
    assert found["state"]["heading"]["r2"] > 0.95
    assert found["state"]["curvature"]["r2"] > 0.85
    assert min(score["accuracy"] for score in found["attributes"].values()) > 0.9


def test_what_the_file_says_of_them_is_of_the_same_kind(judges: Judges) -> None:
    held_out = judges.meta["held_out"]
    assert held_out["state"]["offset"]["r2"] > 0.95
    assert judges.meta["config"] == {**JudgesConfig().__dict__}


def test_a_mirror_turns_the_state(judges: Judges, labelled: LabelledFrames) -> None:
    state, mirrored = judges.state(labelled.frames), judges.state(labelled.frames[:, :, ::-1])
    for i in range(3):
        assert np.corrcoef(state[:, i], -mirrored[:, i])[0, 1] > 0.95


def test_blur_costs_and_a_little_noise_does_not(judges: Judges, labelled: LabelledFrames) -> None:
    rng = np.random.default_rng(0)
    noisy = (labelled.frames + rng.normal(0, 3, labelled.frames.shape)).clip(0, 255).astype(np.uint8)
    views = {"real": labelled.frames, "noisy": noisy, "blurred": blurred(labelled.frames, 2)}
    error = {name: np.abs(judges.state(view) - labelled.state).mean(0) for name, view in views.items()}
    assert (error["noisy"] < 1.25 * error["real"]).all()
    assert (error["blurred"] > np.array([1.25, 1.25, 1.1]) * error["real"]).all()


def test_shapes_also_of_nothing(judges: Judges, labelled: LabelledFrames) -> None:
    for n in (0, 3):
        frames = labelled.frames[:n]
        assert judges.state(frames).shape == (n, 3)
        assert judges.features(frames).shape == (n, 128)
        assert judges.attributes(frames).shape == (n, 6)
    assert 0 <= judges.attributes(labelled.frames).min() <= judges.attributes(labelled.frames).max() <= 1


def test_features_are_standardised_on_real_frames(judges: Judges, labelled: LabelledFrames) -> None:
    features = judges.features(labelled.frames)
    assert np.abs(features.mean(0)).mean() < 0.2
    assert 0.8 < features.std(0).mean() < 1.2


def test_fits_the_same_twice_and_learns(labelled: LabelledFrames) -> None:
    config = JudgesConfig(steps=6, batch_size=16, tracks=1, domain_tracks=1, held_out_tracks=1)
    one, two = (fit_judges(labelled, labelled, config, torch.device("cpu"), quiet=True) for _ in range(2))
    for name, module in one.modules().items():
        for key, tensor in module.state_dict().items():
            assert torch.equal(tensor, two.modules()[name].state_dict()[key]), f"{name}.{key}"
    assert accuracy(one, labelled)["state"]["offset"]["r2"] > accuracy_of_nothing(one, labelled)


def accuracy_of_nothing(judges: Judges, labelled: LabelledFrames) -> float:
    """R2 of an untrained probe of the same scale."""
    probe = type(judges.state_probe)()
    probe.scale[:] = judges.state_probe.scale
    with torch.no_grad():
        probe.head.weight.fill_(1.0)
    return accuracy(replace(judges, state_probe=probe), labelled)["state"]["offset"]["r2"]


def test_file_round_trip(judges: Judges, labelled: LabelledFrames, tmp_path: Path) -> None:
    save_judges(tmp_path, judges)
    again = load_judges(tmp_path)
    np.testing.assert_array_equal(again.features(labelled.frames[:5]), judges.features(labelled.frames[:5]))
    assert again.meta == {**judges.meta, "reverie": reverie.__version__}
    assert "reverie" not in load_judges().meta, "those that ship are older, and are read as well"


def test_files_of_another_kind_or_none_are_refused(judges: Judges, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        load_judges(tmp_path)
    checkpoint.save(tmp_path / FILE, {"x": np.zeros(1)}, {"kind": "vae"})
    with pytest.raises(UserError, match="holds 'vae' where 'judges'"):
        load_judges(tmp_path)
    checkpoint.save(tmp_path / FILE, judges.state_probe.state_dict(), {"kind": "judges"})
    with pytest.raises(UserError, match="another version"):
        load_judges(tmp_path)
    checkpoint.save(tmp_path / FILE, {"x": np.zeros(1)}, {"kind": "judges", "reverie": "7.1.0"})
    with pytest.raises(UserError, match=r"was written by reverie 7\.1\.0, and this is .* or make the judges anew"):
        load_judges(tmp_path)


def test_grid_content_of_a_drawn_frame() -> None:
    frame = np.full((1, 64, 64, 3), (102, 204, 102), np.uint8)
    frame[:, :16, :8] = 102  # the left half of the first part is road
    frame[:, 48:, 48:] = (102, 230, 102)
    frame[:, 20, 20] = (255, 0, 0)
    road, light, kerb, edges = grid_content(frame, 4)[0]
    assert road[0, 0] == 0.5
    assert road.sum() == 0.5
    assert light[3, 3] == 1
    assert kerb[1, 1] == pytest.approx(1 / 256)
    assert edges[0, 0] == pytest.approx((16 + 8) * 102 / 255 / 256)  # only green differs
    assert edges[2, 0] == 0
