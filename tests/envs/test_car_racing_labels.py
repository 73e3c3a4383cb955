"""Labels against the simulator's own numbers, and starts against labels."""

import math
from typing import Any

import numpy as np
import pytest

from reverie.envs import EnvConfig, Start, make_vector_env
from reverie.envs.car_racing.batch import CarRacingBatch
from reverie.envs.car_racing.env import FastCarRacing
from reverie.envs.car_racing.labels import read_labels
from reverie.envs.car_racing.starts import EDGE, random_start, start_before, start_beside, structured_start
from reverie.errors import UserError

SEED = 3


def wrapped(angle: float) -> float:
    return (angle + math.pi) % (2 * math.pi) - math.pi


def at(start: Start, **kwargs: Any) -> Any:
    env: Any = FastCarRacing(**kwargs)
    env.reset(seed=SEED, options={"start": start})
    return env


def test_labels_follow_gymnasiums_track(driver):
    env: Any = FastCarRacing()
    env.reset(seed=SEED)
    for frame in range(200):
        env.step(driver(env, frame))
        if frame % 20:
            continue
        labels = read_labels([env])
        x, y = env.car.hull.position
        track = env.track
        nearest = min(range(len(track)), key=lambda k: (track[k][2] - x) ** 2 + (track[k][3] - y) ** 2)
        _, beta, cx, cy = track[nearest]
        ahead = track[(nearest + 10) % len(track)][1]
        assert labels.offset[0] == pytest.approx((x - cx) * math.cos(beta) + (y - cy) * math.sin(beta), abs=1e-6)
        assert labels.heading[0] == pytest.approx(wrapped(env.car.hull.angle - beta), abs=1e-6)
        turn = labels.curvature[0] * 35
        assert wrapped(turn - (ahead - beta)) == pytest.approx(0, abs=1e-6)
        assert labels.speed[0] == pytest.approx(math.hypot(*env.car.hull.linearVelocity))
        assert labels.grass[0] == sum(len(wheel.tiles) == 0 for wheel in env.car.wheels)


def test_kerb_in_view_is_red_or_white_in_the_picture():
    found = {True: 0, False: 0}
    for k in range(40):
        env = at(Start(k / 40, 0.0, 0.0))
        obs = [env.step(np.zeros(3, np.float32))[0] for _ in range(60)][-1]  # until the camera has zoomed in
        red = (obs[:84, :, 0].astype(int) - obs[:84, :, 1] > 60).copy()
        red[60:80, 40:56] = False  # the car
        kerb = bool(read_labels([env]).kerb[0])
        found[kerb] += 1
        assert kerb or not red.any()
        assert red.sum() >= 3 or not kerb, k
    assert min(found.values()) >= 5, found


@pytest.mark.parametrize("start", [Start(0.25, 0.0, 0.0), Start(0.6, 5.0, -0.5), Start(0.99, -4.0, 1.2)])
def test_a_car_starts_where_it_is_told(start: Start):
    env, usual = at(start), at(Start(0.0, 0.0, 0.0))
    assert env.track == usual.track
    labels = read_labels([env])
    assert labels.offset[0] == pytest.approx(start.offset, abs=0.35)
    assert labels.heading[0] == pytest.approx(start.heading, abs=0.35)  # the nearest point may be the next one
    assert labels.grass[0] == 0
    assert env.tile_visited_count > 0
    visited = [tile.idx for tile in env.road if tile.road_visited]
    expected = start.fraction * len(env.road)
    assert min(abs(i - expected) for i in visited) < 3
    env.reset(seed=SEED)
    assert env.car.hull.position == at(Start(0.0, 0.0, 0.0)).car.hull.position


def test_the_line_is_the_start_at_zero():
    env, plain = at(Start(0.0, 0.0, 0.0)), FastCarRacing()
    np.testing.assert_array_equal(env.state, plain.reset(seed=SEED)[0])


def test_batches_start_and_label_each_row():
    env = make_vector_env(EnvConfig(), 2)
    assert isinstance(env, CarRacingBatch)
    starts = [Start(0.0, 0.0, 0.0), Start(0.5, 3.0, 0.4)]
    obs = env.reset([0, 1], [SEED, SEED], starts)
    np.testing.assert_array_equal(obs[0], env.reset([0], [SEED])[0])
    assert (obs[0] != obs[1]).any()
    np.testing.assert_allclose(env.labels([1, 0]).offset, [3.0, 0.0], atol=0.3)
    with pytest.raises(UserError, match="CarRacing-v3, drawn by Gymnasium, cannot start elsewhere"):
        make_vector_env(EnvConfig(renderer="gymnasium"), 1).reset([0], [SEED], starts[:1])


def test_no_wheel_starts_on_grass():
    envs = [at(structured_start(i)) for i in range(35)]
    assert read_labels(envs).grass.tolist() == [0] * 35


def test_starts_cover_the_lap_the_road_and_headings():
    for starts in ([structured_start(i) for i in range(70)], [random_start(1, i) for i in range(70)]):
        assert len({int(10 * start.fraction) for start in starts}) == 10
        assert all(abs(start.offset) <= EDGE for start in starts)
        assert {np.sign(start.heading) for start in starts} >= {-1, 1}
    assert len({(s.offset, s.heading) for s in map(structured_start, range(35))}) == 35
    assert random_start(1, 5) == random_start(1, 5) != random_start(2, 5)


def test_cars_beside_the_road_stand_on_grass():
    """Where two stretches of road run side by side, the other one may be there."""
    starts = [start_beside(3, i) for i in range(24)]
    assert sum(read_labels([at(start) for start in starts]).grass == 4) >= 21
    assert {np.sign(start.offset) for start in starts} == {-1, 1}
    assert start_beside(3, 5) == starts[5] != start_beside(4, 5)


def test_cars_that_begin_before_a_place_do_so_across_the_line_too():
    for place in (0.5, 0.01):
        starts = [start_before(place, 3, i) for i in range(40)]
        before = [(place - start.fraction) % 1.0 for start in starts]
        assert min(before) >= 0.02
        assert max(before) <= 0.07
        assert all(0 <= start.fraction < 1 for start in starts)
        assert len(set(before)) == 40
