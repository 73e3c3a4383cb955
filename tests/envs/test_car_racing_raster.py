"""Our pictures against Gymnasium's, and the exact coverage that they are made of."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.box2d.car_racing import CarRacing

from reverie.envs.car_racing.cover import H, W, add_quad
from reverie.envs.car_racing.env import FastCarRacing
from reverie.envs.car_racing.spec import PICTURE
from reverie.envs.config import EnvConfig
from reverie.envs.registry import make_vector_env
from reverie.errors import UserError

SEEDS = {"follow_road": 1, "lap": 4, "spin": 2, "wander": 3, "leave": 13}


class Sparse(CarRacing):
    """Gymnasium's own, drawn when asked."""

    drawn = True

    def _render(self, mode):
        return super()._render(mode) if self.drawn else None


def assert_near(theirs: np.ndarray, ours: np.ndarray) -> None:
    """At most 1/255 apart on average and 8/255 in 99 % of the pixels; measured: 0.02 and 1."""
    difference = np.abs(theirs.astype(int) - ours.astype(int))
    assert difference.mean() <= 1.0
    assert np.quantile(difference, 0.99) <= 8
    assert difference.mean() <= 0.1, "worse than it was: see the docstring"


def pairs(driver, seed, frames, **options):
    """Frames of Gymnasium and of ours along one drive: every 2nd during the zoom, then every 12th."""
    theirs: Any = Sparse(**options)
    ours: Any = FastCarRacing(**options)
    first = theirs.reset(seed=seed)[0]
    found = [(first, ours.reset(seed=seed)[0])]
    for frame in range(frames):
        action = driver(theirs, frame)
        theirs.drawn = frame % (2 if frame < 50 else 12) == 0 or frame == frames - 1
        their, end = theirs.step(action)[0], False
        if theirs.drawn:
            our, _, end, _, _ = ours.step(action)
            found.append((their, our))
        else:
            _, end, _ = ours.advance(action)
        if end:
            break
    return tuple(np.stack(side) for side in zip(*found, strict=True))


def test_frames_match_gymnasiums_with_panel_and_at_64(driver):
    theirs, ours = pairs(driver, SEEDS[driver.__name__], 600)
    assert_near(theirs, ours)
    assert_near(theirs[:, 84:], ours[:, 84:])  # the panel alone
    assert_near(np.stack([PICTURE.to_64(f) for f in theirs]), np.stack([PICTURE.to_64(f) for f in ours]))


def test_random_colours_match(driver):
    theirs, ours = pairs(driver, 5, 80, domain_randomize=True)
    assert_near(theirs, ours)


def test_a_score_is_written_as_in_gymnasium():
    """Rounded to even, with a sign, and in more than four digits."""
    theirs: Any = CarRacing()
    ours: Any = FastCarRacing()
    theirs.reset(seed=1)
    ours.reset(seed=1)
    for score in (0.0, -0.4, -0.6, 0.5, 1.5, 12.7, -99.95, 899.5, 1234.56):
        theirs.reward = ours.reward = score
        panel, our_panel = (env._render("state_pixels")[84:, :12].astype(int) for env in (theirs, ours))
        assert np.abs(panel - our_panel).max() <= 1, score


@pytest.mark.parametrize("version", ["0.29.1", "1.2.3", "1.3.0"])
def test_a_gymnasium_that_writes_scores_in_another_way_is_refused(version, monkeypatch):
    monkeypatch.setattr(gymnasium, "__version__", version)
    with pytest.raises(UserError, match=f"Gymnasium {version} writes the score.*install 'gymnasium>=1.4'"):
        make_vector_env(EnvConfig(), 1)


def test_visited_tiles_change_colour_as_in_gymnasium():
    theirs: Any = Sparse()
    ours: Any = FastCarRacing()
    theirs.drawn = False
    theirs.reset(seed=1)
    ours.reset_undrawn(1)
    fresh = ours._scenes.colors[0].copy()
    for _ in range(120):
        theirs.step(np.array([0, 0.5, 0], np.float32))
        ours.advance(np.array([0, 0.5, 0], np.float32))
    colors = ours._scenes.colors[0, : len(theirs.road)]
    np.testing.assert_array_equal(colors, [tile.color for tile in theirs.road])
    assert (colors != fresh[: len(colors)]).any(1).sum() > 3
    for (our_corners, our_color), (corners, color) in zip(ours.road_poly, theirs.road_poly, strict=True):
        assert our_corners == corners  # what Gymnasium's own pictures are drawn from
        np.testing.assert_array_equal(our_color, color)


def test_64_is_the_96_frame_made_small():
    batch = make_vector_env(EnvConfig(action_repeat=1), 1)
    single: Any = FastCarRacing()
    frame, _ = single.reset(seed=8)
    np.testing.assert_array_equal(batch.reset([0], [8])[0], PICTURE.to_64(frame))
    for k in range(80):
        action = np.array([np.sin(k / 5), 0.6, 0], np.float32)
        frame = single.step(action)[0]
        np.testing.assert_array_equal(batch.step([0], action[None]).obs[0], PICTURE.to_64(frame))


def cover(quad):
    """(H, W) coverage of a quadrilateral given in cells."""
    acc = np.zeros((H + 1, 1, W), np.float32)
    a, b, c, d = ((x * 1000 / 96, 800 - y * 800 / 96) for x, y in quad)
    add_quad(acc, *a, *b, *c, *d, (1.0,))
    return np.cumsum(acc[:, 0], axis=0)[:H]


def test_coverage_of_a_rectangle_is_known():
    found = cover([(10.25, 20.5), (13.5, 20.5), (13.5, 23.0), (10.25, 23.0)])
    expected = np.zeros((H, W))
    expected[20:23, 10:14] = np.outer([0.5, 1, 1], [0.75, 1, 1, 0.5])
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("turned", [False, True])
def test_coverage_of_a_slanted_quad_is_that_of_many_samples(turned):
    quad = [(5.3, 40.2), (30.9, 22.4), (50.1, 47.7), (20.6, 70.5)]
    found = cover(quad[::-1] if turned else quad)
    n = 32
    x, y = np.meshgrid((np.arange(W * n) + 0.5) / n, (np.arange(H * n) + 0.5) / n)
    inside = np.ones(x.shape, bool)
    for (x0, y0), (x1, y1) in zip(quad, quad[1:] + quad[:1], strict=True):
        inside &= (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) >= 0
    np.testing.assert_allclose(found, inside.reshape(H, n, W, n).mean((1, 3)), atol=0.02)


def test_coverage_beyond_the_picture_is_cut_off():
    np.testing.assert_allclose(cover([(-50, -50), (200, -50), (200, 200), (-50, 200)]), 1.0, atol=1e-5)
    np.testing.assert_array_equal(cover([(-9, 5), (-3, 5), (-3, 9), (-9, 9)]), 0.0)
    np.testing.assert_array_equal(cover([(10, 90), (20, 90), (20, 99), (10, 99)]), 0.0)
    half = cover([(-40, -40), (140, 140), (140, 300), (-40, 300)])  # below the diagonal
    np.testing.assert_allclose(np.diag(half[:H, :H]), 0.5, atol=1e-4)
    np.testing.assert_allclose(half[np.tril_indices(H, -1)], 1.0, atol=1e-4)
    np.testing.assert_allclose(half[np.triu_indices(H, 1, W)], 0.0, atol=1e-4)
