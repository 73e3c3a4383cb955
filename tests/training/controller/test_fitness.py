"""How candidates are measured: tracks, rounds, racing, and what their returns come to."""

from typing import Any

import numpy as np
import pytest

from reverie.errors import UserError
from reverie.evolution.strategy import halves
from reverie.rollout import Outcome
from reverie.run.search import TracksConfig
from reverie.run.settings import load
from reverie.seeding import TRAINING_TRACKS
from reverie.training.controller.fitness import Fitness, longest, measure, num_tracks, scheduled_tracks, tracks_of
from tests.evolution.variants import VARIANTS, make


class Road:
    """A made-up road: a return is the candidate's skill, plus the track's ease, plus noise of its own."""

    def __init__(self, skill: np.ndarray, *, noise: float, seed: int = 0) -> None:
        self.skill, self.noise, self.seed = skill, noise, seed
        self.driven: list[tuple[int, int]] = []

    def ret(self, candidate: int, track: int) -> float:
        ease, own = np.random.default_rng((self.seed, track)), np.random.default_rng((self.seed, track, candidate))
        return self.skill[candidate] + 100 * ease.standard_normal() + self.noise * own.standard_normal()

    def __call__(self, rows: np.ndarray, tracks: np.ndarray) -> list[Outcome]:
        self.driven += [(int(i), int(track)) for i, seeds in zip(rows, tracks, strict=True) for track in seeds]
        pairs = [(i, track) for i, seeds in zip(rows, tracks, strict=True) for track in seeds]
        return [Outcome(self.ret(i, track), frames=10, decisions=5, terminated=False) for i, track in pairs]


def tracks(n: int, t: int) -> np.ndarray:
    return np.tile(np.arange(t), (n, 1))


@pytest.mark.parametrize(("common", "distinct"), [("all", 3), ("halves", 12), ("none", 24)])
def test_who_shares_tracks(common: Any, distinct: int) -> None:
    config = TracksConfig(common=common)
    seeds = tracks_of(config, 7, 3, halves(8), 3)
    assert seeds.shape == (8, 3)
    assert len(set(seeds.ravel().tolist())) == distinct
    assert all(track in TRAINING_TRACKS for track in seeds.ravel().tolist())
    assert all(len(set(row)) == 3 for row in seeds.tolist())
    if common == "halves":
        assert (seeds[:4] == seeds[4:]).all()
    assert (seeds == tracks_of(config, 7, 3, halves(8), 3)).all()
    for other in (tracks_of(config, 8, 3, halves(8), 3), tracks_of(config, 7, 4, halves(8), 3)):
        assert not (seeds == other).any()


def test_an_odd_population_has_halves_too() -> None:
    seeds = tracks_of(TracksConfig(common="halves"), 0, 0, halves(5), 2)
    assert (seeds[:2] == seeds[3:]).all()
    assert len(set(seeds[:, 0].tolist())) == 3


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("population", [16, 17])
def test_candidates_on_both_sides_of_the_center_drive_the_same_tracks(variant: str, population: int) -> None:
    try:
        strategy = make(variant, 5, population=population)
    except UserError:  # pairs do not come to such a number
        assert "center" in variant or population % 2
        return
    steps = strategy.ask() - strategy.center
    seeds = tracks_of(TracksConfig(common="halves"), 0, 0, strategy.pairs, 2)
    assert len(seeds) == len(steps) == population
    mirrored = [(i, j) for i in range(population) for j in range(i) if steps[i].any() and (steps[i] == -steps[j]).all()]
    symmetric = variant.split("-")[0] in ("pepg", "openes") and "one-sided" not in variant
    assert len(mirrored) == (population // 2 if symmetric else 0)
    for i, j in mirrored:
        assert (seeds[i] == seeds[j]).all()
    shared = np.unique(seeds[:, 0], return_counts=True)[1]
    assert shared.max() == 2
    assert (shared == 1).sum() <= 2  # an odd one out, and the center


def test_mean_and_min() -> None:
    road = Road(np.zeros(3), noise=0)
    road.ret = lambda candidate, track: [[1.0, 5.0], [2.0, 3.0], [0.0, 9.0]][candidate][track]
    assert measure(road, tracks(3, 2)).fitness.tolist() == [3.0, 2.5, 4.5]
    assert measure(road, tracks(3, 2), kind="min").fitness.tolist() == [1.0, 2.0, 0.0]


def test_everybody_drives_everything_without_a_race() -> None:
    road = Road(np.arange(6.0), noise=1)
    found = measure(road, tracks(6, 5))
    assert sorted(road.driven) == [(i, track) for i in range(6) for track in range(5)]
    assert len(found.outcomes) == 30
    assert not np.isnan(found.returns).any()


def test_a_race_stops_the_hopeless_and_nobody_of_the_better_half() -> None:
    skill = np.linspace(0, 1000, 20)
    road = Road(skill, noise=30)
    found = measure(road, tracks(20, 8), race=1.0)
    driven = (~np.isnan(found.returns)).sum(1)
    assert (driven[10:] == 8).all()
    assert (driven[:7] == 2).all(), "two tracks are enough to see that these are far behind"
    assert len(found.outcomes) == len(road.driven) == driven.sum()
    assert len(set(road.driven)) == len(road.driven)


def test_a_race_between_equals_stops_few() -> None:
    driven = [
        (~np.isnan(measure(Road(np.zeros(32), noise=100, seed=i), tracks(32, 4), race=1.0).returns)) for i in range(20)
    ]
    assert 0.9 < np.mean(driven) < 0.99
    strict = measure(Road(np.zeros(32), noise=100), tracks(32, 4), race=0.001).returns
    assert np.isnan(strict).any(1).sum() == 16, "all but the median and those above it"


def test_a_stopped_candidate_is_not_judged_by_the_tracks_it_had() -> None:
    """Without noise, fitness is skill plus one number that is the same for all, however many tracks each drove."""
    skill = np.linspace(0, 500, 12)
    found = measure(Road(skill, noise=1e-3), tracks(12, 8), race=1.0)
    assert np.isnan(found.returns).any()
    assert np.ptp(found.fitness - skill) < 0.01


def test_signal_and_noise_are_found_again() -> None:
    rng = np.random.default_rng(0)
    found = [measure(Road(rng.normal(0, 50, 32), noise=80, seed=i), tracks(32, 4)) for i in range(40)]
    assert np.mean([f.noise for f in found]) == pytest.approx(80**2, rel=0.1)
    assert np.mean([f.signal for f in found]) == pytest.approx(50**2, rel=0.2)


def test_a_single_track_says_nothing_of_noise() -> None:
    found = measure(Road(np.arange(4.0), noise=1), tracks(4, 1))
    assert found.noise == 0
    assert found.signal > 0


def rows(signal: float, noise: float, tracks: int, num: int = 10) -> list[dict]:
    return [{"signal": signal, "noise": noise, "tracks": tracks}] * num


@pytest.mark.parametrize(
    ("signal", "noise", "last", "expected"),
    [
        (100.0, 100.0, 4, 4),  # never fewer than asked for
        (100.0, 600.0, 4, 6),
        (100.0, 601.0, 4, 7),
        (100.0, 5000.0, 4, 8),  # at most twice as many as before
        (100.0, 5000.0, 14, 16),  # and never more than the most
        (0.0, 5000.0, 16, 16),
        (100.0, 400.0, 16, 4),  # they also become fewer
    ],
)
def test_tracks_follow_signal_and_noise(signal: float, noise: float, last: int, expected: int) -> None:
    config = TracksConfig(num=4, max=16, signal_to_noise=1.0)
    assert num_tracks(config, rows(signal, noise, last)) == expected


def test_tracks_without_history_or_rule() -> None:
    assert num_tracks(TracksConfig(num=3, signal_to_noise=1.0), []) == 3
    doubling = TracksConfig(num=3, double_every=5, max=6)
    assert [num_tracks(doubling, rows(1, 9999, 3, num=g)) for g in (0, 4, 5, 11)] == [3, 3, 6, 6]


def test_tracks_double_and_stop() -> None:
    config = TracksConfig(num=4, double_every=10, max=16)
    scheduled = [scheduled_tracks(config, generation) for generation in (0, 9, 10, 19, 20, 29, 30, 999, 10**9)]
    assert scheduled == [4, 4, 8, 8, 16, 16, 16, 16, 16]
    assert scheduled_tracks(TracksConfig(num=4), 500) == 4
    assert scheduled_tracks(TracksConfig(num=4, double_every=1, max=2), 500) == 4, "never fewer than at first"


def test_cap_follows_the_mean_length() -> None:
    history = [{"mean_steps": 100.0}, {"mean_steps": 84.0}]
    assert longest(0.0, history, 4) is None
    assert longest(2.0, [], 4) is None
    assert longest(2.0, history, 4) == 42


@pytest.mark.parametrize("others", ["controller.search.fitness=min", "controller.search.tracks.common=none"])
def test_a_race_needs_means_on_common_tracks(others: str) -> None:
    with pytest.raises(UserError, match=r"^controller\.search\.race compares means on common tracks: set"):
        load("debug", ["controller.search.race=1.0", others])


def test_fitness_of_one_candidate_has_no_noise() -> None:
    assert Fitness(fitness=np.ones(1), returns=np.ones((1, 3)), outcomes=[]).noise == 0
