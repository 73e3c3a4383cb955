"""Measures of pairs of frames and road masks: closed forms and hand-drawn frames."""

import numpy as np
import pytest

from reverie.errors import UserError
from reverie.measure.vision import masks, paired

GRASS, ROAD = (102, 204, 102), (102, 102, 102)


def road(left: int = 20, right: int = 40) -> np.ndarray:
    frame = np.empty((1, 64, 64, 3), np.uint8)
    frame[:] = GRASS
    frame[:, :, left:right] = ROAD
    return frame


def noisy(n: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 64, 64, 3), dtype=np.uint8)


def test_a_frame_is_as_near_to_itself_as_can_be():
    frames = noisy()
    assert (paired.psnr(frames, frames) == paired.MOST_DECIBELS).all()
    assert paired.ms_ssim(frames, frames) == pytest.approx(np.ones(4), abs=1e-5)
    assert paired.sharpness(frames, frames) == pytest.approx(np.ones(4))


def test_psnr_in_closed_form():
    frames = np.full((2, 64, 64, 3), 100, np.uint8)
    assert paired.psnr(frames + np.uint8(10), frames) == pytest.approx([20 * np.log10(255 / 10)] * 2, rel=1e-5)


def test_sharpness_is_the_contrast_at_the_real_edges():
    soft = road().astype(np.float32)
    soft[:, :, 20:40] = (np.array(GRASS) + np.array(ROAD)) / 2  # edges of half the height
    assert paired.sharpness(soft.astype(np.uint8), road()) == pytest.approx([0.5])
    assert paired.sharpness(road(24, 44), road()) == pytest.approx([0.0])  # as sharp, but elsewhere
    assert paired.sharpness(255 - road(), road()) == pytest.approx([-1.0])


def test_each_blur_costs_more():
    frames = road()
    for measure in (paired.psnr, paired.ms_ssim, paired.sharpness):
        values = [float(measure(paired.blurred(frames, sigma), frames)[0]) for sigma in (0.0, 0.7, 1.5, 3.0)]
        assert values == sorted(values, reverse=True)
        assert len(set(values)) == 4


def test_shifts_move_frames_aside():
    frames = np.concatenate([road(), road()])
    moved = paired.shifted(frames, 3)
    np.testing.assert_array_equal(moved[0], road(23, 43)[0])
    np.testing.assert_array_equal(moved[1], road(17, 37)[0])


def test_wrong_frames_are_of_other_tracks():
    track = np.array([0, 0, 0, 1, 2, 2])
    assert (track[paired.another_track(track)] != track).all()
    with pytest.raises(UserError, match="at least two"):
        paired.another_track(np.zeros(3, int))
    assert not (paired.another_world(road()) == road()).all()


def test_road_masks_of_drawn_frames():
    assert masks.road_mask(road())[0].sum() == 64 * 20
    assert masks.mask_iou(masks.road_mask(road()), masks.road_mask(road())) == 1
    shifted = masks.mask_iou(masks.road_mask(road(25, 45)), masks.road_mask(road()))
    assert shifted == pytest.approx([15 / 25])
    empty = np.zeros((1, 64, 64), bool)
    assert masks.mask_iou(empty, empty) == 1
    assert masks.mask_iou(empty, masks.road_mask(road())) == 0


@pytest.mark.parametrize(("colour", "kind"), [(GRASS, masks.DARK_GRASS), ((102, 230, 102), masks.LIGHT_GRASS),
                                               ((107, 105, 104), masks.ROAD), ((250, 10, 5), masks.KERB),
                                               ((204, 0, 0), masks.CAR)])  # fmt: skip
def test_colours_are_told_apart(colour, kind):
    frame = np.broadcast_to(np.array(colour, np.uint8), (1, 64, 64, 3))
    assert (masks.classes(frame) == kind).all()


def test_boundaries_within_a_pixel():
    true = masks.road_mask(road())
    assert masks.boundary(true)[0, 10].nonzero()[0].tolist() == [20, 39]
    assert masks.boundary_f1(true, true) == 1
    assert masks.boundary_f1(masks.road_mask(road(21, 41)), true) == 1  # within the tolerance
    assert masks.boundary_f1(masks.road_mask(road(20, 44)), true) == pytest.approx([0.5])  # one side of two
    assert masks.boundary_f1(np.zeros_like(true), true) == 0
    assert masks.boundary_f1(np.zeros_like(true), np.zeros_like(true)) == 1


def test_the_content_of_a_grid():
    content = masks.grid_content(road(16, 32), 4)
    assert content.shape == (1, 4, 4, 4)
    np.testing.assert_allclose(content[0, 0], np.array([[0, 1, 0, 0]] * 4))
    assert (content[0, 1:3] == 0).all()
    assert content[0, 3, 0, 0] > content[0, 3, 0, 2]  # the road's left edge; none in the third part
