"""Edits of latents: what truth adds to them, found again; and a car whose nose is turned."""

import numpy as np
import pytest
import torch

from reverie.errors import UserError
from reverie.models.files import load_vision, packaged
from reverie.web.edits import edits_from, edits_of


def test_what_was_added_is_found_again() -> None:
    rng = np.random.default_rng(0)
    state = rng.normal(size=(300, 3)) * (5, 0.5, 0.02)
    attributes = rng.integers(-1, 2, size=(300, 6))
    offset, heading, curvature, grass, kerb = (rng.normal(size=4) for _ in range(5))
    z = state @ np.stack([offset, heading, 40 * curvature]) + 0.3
    z += (attributes[:, [3]] == 1) * grass + (attributes[:, [4]] == 1) * kerb
    found = {edit.name: np.array(edit.vector) for edit in edits_from(z, state, attributes)}
    wanted = {"left bend": 1.6 * curvature, "nose to the left": 0.6 * heading, "car to the right": 6 * offset}
    assert found.keys() == {*wanted, "onto the grass"}
    for name, vector in {**wanted, "onto the grass": grass}.items():
        np.testing.assert_allclose(found[name], vector, atol=1e-3, err_msg=name)


def test_a_nose_turned_left_sees_the_road_go_to_the_right() -> None:
    vision = load_vision(packaged() / "vision.safetensors").eval()
    edits = edits_of(vision, num_tracks=24)
    assert edits == edits_of(vision, num_tracks=24)
    turned = next(torch.tensor(edit.vector) for edit in edits if edit.name == "nose to the left")
    with torch.inference_mode():
        middle = vision.encode(_straight_road()).mu
        left, right = (_where_the_road_goes(vision.decode(middle + side * turned)) for side in (1, -1))
    assert left > right + 4  # pixels of 64


def test_a_v_that_gives_no_numbers_is_refused() -> None:
    vision = load_vision(packaged() / "vision.safetensors").eval()
    for parameter in vision.parameters():
        parameter.data.fill_(torch.nan)
    with pytest.raises(UserError, match="V gives numbers that are none: train it anew"):
        edits_of(vision, num_tracks=24)


def _straight_road() -> torch.Tensor:
    frame = np.full((1, 64, 64, 3), (102, 229, 102), np.uint8)
    frame[:, :, 25:40] = 105
    return torch.from_numpy(frame)


def _where_the_road_goes(frames: torch.Tensor) -> float:
    """Mean column of what is not grass, in the upper quarter of the picture."""
    green, red = frames[0, :16, :, 1].float(), frames[0, :16, :, 0].float()
    road = (green - red).abs() < 40
    assert road.any()
    return float(road.nonzero()[:, 1].float().mean())
