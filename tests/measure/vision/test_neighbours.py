"""KID, precision and recall on clouds whose distance is known."""

import numpy as np
import pytest

from reverie.errors import UserError
from reverie.measure.vision.neighbours import covered, kernel_distance, manifold


def cloud(n: int, mean: float = 0.0, seed: int = 0, d: int = 6, spread: float = 1.0) -> np.ndarray:
    return mean + spread * np.random.default_rng(seed).normal(size=(n, d))


def by_hand(x: np.ndarray, y: np.ndarray) -> float:
    """The unbiased estimator of Bińkowski et al. 2018, equation 4, written out."""

    def k(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a @ b.T / a.shape[1] + 1) ** 3

    m, n = len(x), len(y)
    xx, yy = k(x, x), k(y, y)
    inner = (xx.sum() - np.trace(xx)) / (m * (m - 1)) + (yy.sum() - np.trace(yy)) / (n * (n - 1))
    return inner - 2 * k(x, y).mean()


def test_with_a_track_for_each_frame_it_is_the_papers():
    x, y = cloud(30, 0.5), cloud(40, seed=1)
    distance, values = kernel_distance(x, y, np.arange(30), np.arange(40))
    assert distance == pytest.approx(by_hand(x, y))
    assert len(values) == 30
    assert values.mean() == pytest.approx(distance, rel=0.2)


def test_pseudo_values_are_those_of_the_jackknife():
    x, y = cloud(12, 0.5), cloud(20, seed=1)
    track = np.repeat(np.arange(4), 3)
    distance, values = kernel_distance(x, y, track, np.arange(20))
    for left_out in range(4):
        kept = track != left_out
        without = kernel_distance(x[kept], y, track[kept], np.arange(20))[0]
        assert values[left_out] == pytest.approx(4 * distance - 3 * without)


@pytest.mark.parametrize("tracks", [1, 2])
def test_too_few_tracks_say_so(tracks: int) -> None:
    x, y = cloud(12, 0.5), cloud(20, seed=1)
    with pytest.raises(UserError, match=f"{tracks} of them are too few: give 3 or more"):
        kernel_distance(x, y, np.arange(12) % tracks, np.arange(20))
    assert np.isfinite(kernel_distance(x, y, np.arange(12) % 3, np.arange(20))[1]).all()


def test_equal_sets_are_near_and_others_are_not():
    track = np.arange(200)
    same = kernel_distance(cloud(200), cloud(200, seed=1), track, track)[1]
    other = kernel_distance(cloud(200, 1.0), cloud(200, seed=1), track, track)[1]
    error = same.std(ddof=1) / np.sqrt(200)
    assert abs(same.mean()) < 3 * error
    assert other.mean() > 20 * error


def test_precision_and_recall_know_what_is_missing():
    real, narrow, far = cloud(300), cloud(300, seed=1, spread=0.2), cloud(300, 20.0, seed=2)
    track = np.arange(300)
    radii = manifold(real, track)
    assert covered(narrow, real, radii).mean() > 0.98  # all of it is likely
    assert covered(real, narrow, manifold(narrow, track)).mean() < 0.2  # but it leaves out most
    assert covered(far, real, radii).mean() == 0
    assert covered(cloud(300, seed=3), real, radii).mean() > 0.6


def test_frames_of_one_track_are_no_neighbours():
    features = np.array([[0.0], [0.1], [5.0], [9.0], [14.0]])
    radii = manifold(features, np.array([0, 0, 1, 2, 3]), k=1)
    assert radii == pytest.approx([5.0, 4.9, 4.0, 4.0, 5.0])
