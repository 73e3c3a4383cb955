"""Intervals and correlations, against SciPy's."""

import numpy as np
import pytest
from scipy import stats

from reverie.measure.statistics import (
    auc,
    confidence_interval,
    dose_correlation,
    spearman,
    spearman_interval,
    standard_error,
    wilson_interval,
)


def test_standard_errors_are_scipys() -> None:
    values = np.random.default_rng(1).normal(900, 30, size=(3, 7))
    np.testing.assert_allclose(standard_error(values), stats.sem(values, axis=1))
    assert standard_error(values[0]) == pytest.approx(stats.sem(values[0]))


def test_the_interval_of_a_mean_is_students() -> None:
    values = np.random.default_rng(0).normal(900, 30, size=7)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert confidence_interval(values) == pytest.approx((expected.low, expected.high))


def test_from_one_value_nothing_follows() -> None:
    assert confidence_interval(np.array([900.0])) is None


@pytest.mark.parametrize(("hits", "num"), [(0, 9), (1, 9), (5, 9), (9, 9), (300, 1000)])
def test_the_interval_of_a_rate_is_wilsons(hits: int, num: int) -> None:
    expected = stats.binomtest(hits, num).proportion_ci(0.95, method="wilson")
    assert wilson_interval(hits / num, num) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_of_what_was_not_observed_there_is_no_rate() -> None:
    assert wilson_interval(None, 12) is None


def test_ranks_with_ties() -> None:
    x, y = np.array([1.0, 2.0, 2.0, 5.0, 4.0]), np.array([3.0, 1.0, 4.0, 4.0, 9.0])
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y)[0])
    assert spearman(x, np.ones(5)) == 0


def test_interval_is_narrow_where_the_order_is_sure_and_wide_where_it_is_not():
    rng, skill = np.random.default_rng(1), np.arange(20.0)[:, None]
    sure = spearman_interval(skill + 0.1 * rng.normal(size=(20, 8)), skill + 0.1 * rng.normal(size=(20, 8)), 0)
    noise = spearman_interval(rng.normal(size=(20, 8)), rng.normal(size=(20, 8)), 0)
    assert sure[0] > 0.98
    assert noise[0] < 0 < noise[1]
    assert noise[1] - noise[0] > 0.5


def test_the_area_under_the_curve_is_that_of_mann_and_whitney() -> None:
    rng = np.random.default_rng(0)
    yes, score = np.arange(50) % 3 == 0, rng.integers(10, size=50)  # many are equal
    expected = stats.mannwhitneyu(score[yes], score[~yes]).statistic / (yes.sum() * (~yes).sum())
    assert auc(score, yes) == pytest.approx(expected)
    assert auc(score, score > -1) is None


def test_responses_to_rising_doses() -> None:
    response = np.random.default_rng(1).normal(size=(7, 3))
    response[:, 1] = 2.0
    found = dose_correlation(response)
    for column in (0, 2):
        assert found[column] == pytest.approx(stats.spearmanr(np.arange(7), response[:, column])[0])
    assert found[1] == 0
    assert dose_correlation(np.arange(5.0)[:, None] ** 3) == pytest.approx([1.0])
