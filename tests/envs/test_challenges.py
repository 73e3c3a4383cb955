"""CarRacing shown otherwise: what is changed, by how much, and what is not."""

from typing import Any, Literal, get_args

import numpy as np
import pytest

from reverie.challenge import IN_WORDS, Challenge
from reverie.envs import EnvConfig, Transition, make_vector_env
from reverie.envs.challenges import require_challenge
from reverie.errors import UserError

SEEDS = [3, 5]
ACT = np.array([[0.1, 0.3, 0.0], [-0.1, 0.3, 0.0]], np.float32)
ALL = get_args(Challenge)
RENDERERS: tuple[Literal["fast", "gymnasium"], ...] = ("fast", "gymnasium")


def driven(
    challenge: Challenge | None,
    decisions: int,
    *,
    renderer: Literal["fast", "gymnasium"] = "fast",
    seeds: list[int] = SEEDS,
    action_repeat: int = 4,
) -> list[Transition]:
    env = make_vector_env(EnvConfig(renderer=renderer, action_repeat=action_repeat), len(seeds), challenge)
    rows = list(range(len(seeds)))
    env.reset(rows, seeds)
    return [env.step(rows, ACT[: len(seeds)]) for _ in range(decisions)]


@pytest.mark.parametrize("challenge", ALL)
def test_the_car_drives_alike_and_the_track_s_seed_says_what_is_seen(challenge: Challenge) -> None:
    plain, shown = driven(None, 3), driven(challenge, 3)
    for one, other in zip(plain, shown, strict=True):
        np.testing.assert_array_equal(one.rew, other.rew)
    assert any((one.obs != other.obs).any() for one, other in zip(plain, shown, strict=True))
    alone = driven(challenge, 3, seeds=SEEDS[:1])  # in other company, another batch
    for one, other in zip(alone, shown, strict=True):
        np.testing.assert_array_equal(one.obs[0], other.obs[0])


@pytest.mark.parametrize("challenge", ["colour", "colour3", "bars", "blob"])
def test_both_renderers_show_the_same(challenge: Challenge) -> None:
    ours, theirs = (driven(challenge, 1, renderer=who, action_repeat=60)[0].obs for who in RENDERERS)
    assert np.abs(ours.astype(int) - theirs).mean() < 1.5


def test_noise_stands_where_the_ground_was_by_both_renderers() -> None:
    for renderer in RENDERERS:
        plain, shown = (driven(name, 1, renderer=renderer, action_repeat=60)[0].obs for name in (None, "noise"))
        ground = plain[..., 1].astype(int) - plain[..., 2] > 90  # nothing else is so green
        road = (np.ptp(plain.astype(int), axis=-1) < 3) & (plain[..., 0] > 95) & (plain[..., 0] < 115)
        noise = shown[ground].astype(float)
        assert np.abs(noise.mean(0) - 127.5).max() < 5
        assert noise.std(0).min() > 35  # 74 for what is not interpolated
        assert np.abs(shown[road].astype(int) - plain[road]).max() <= 3


def test_colours_differ_from_track_to_track_and_stay_within_bounds() -> None:
    names: tuple[Challenge, Challenge] = ("colour", "colour3")
    for name in names:
        env: Any = make_vector_env(EnvConfig(), 1, name)
        moved = []
        for seed in range(12):
            env.reset([0], [seed])
            car = env.simulation(0)
            np.testing.assert_array_equal(car.grass_color, [102, 230, 102])
            moved.append(np.concatenate([car.road_color - [102, 102, 102], car.bg_color - [102, 204, 102]]))
        moved = np.array(moved)
        assert np.abs(moved).max() <= 51
        assert moved.std(0).min() > 15  # 29 for a uniform distribution
        alike = np.ptp(moved.reshape(12, 2, 3), axis=-1)
        assert (alike.max() < 1e-9) == (name == "colour")


def test_a_plain_world_is_not_painted_by_the_one_beside_it() -> None:
    before = driven(None, 1)[0].obs
    driven("noise", 1)
    np.testing.assert_array_equal(driven(None, 1)[0].obs, before)


def test_bars_and_blob_stand_where_the_authors_put_them() -> None:
    plain, bars, blob = (driven(name, 1, action_repeat=60)[0].obs.astype(int) for name in (None, "bars", "blob"))
    assert (bars[:, :, :4] == 0).all()  # 7.2 of 96 columns are 4.8 of 64
    assert (bars[:, :, -4:] == 0).all()
    np.testing.assert_allclose(bars[:, :, 4], plain[:, :, 4] * 0.2, atol=0.6)
    np.testing.assert_array_equal(bars[:, :, 5:-5], plain[:, :, 5:-5])
    # 21 to 29 units to the right of the car and 7.6 to 15.6 ahead of it, at 16.2 of 1000 x 700 pixels a unit
    inside = blob[:, 33:42, 54:62]
    assert (inside == [204, 0, 0]).all()
    outside = np.ones(blob.shape[1:3], bool)
    outside[31:44, 53:63] = False
    np.testing.assert_array_equal(blob[:, outside], plain[:, outside])


def test_the_blob_grows_with_the_zoom() -> None:
    plain, blob = (driven(name, 1, action_repeat=1)[0].obs for name in (None, "blob"))
    at = np.argwhere((plain != blob).any(-1)[0])
    assert 0 < len(at) < 20  # it is 12 by 10 pixels large in the end
    assert np.abs(at - [54, 33]).max() <= 2  # close to the car


def test_half_of_the_frames_are_lost_and_the_last_one_stays() -> None:
    plain, shown = driven(None, 60), driven("frames", 60)
    arrived = np.array([(one.obs == other.obs).all((1, 2, 3)) for one, other in zip(plain, shown, strict=True)])
    assert 0.3 < arrived.mean() < 0.7
    for i in range(1, 60):
        for row in np.flatnonzero(~arrived[i]):
            np.testing.assert_array_equal(shown[i].obs[row], shown[i - 1].obs[row])
    assert (arrived[:, 0] != arrived[:, 1]).any()


def test_every_challenge_has_words() -> None:
    assert tuple(IN_WORDS) == ALL


def test_worlds_without_challenges() -> None:
    with pytest.raises(UserError, match="in CarRacing-v3 only, not in VizdoomTakeCover-v1: leave it out"):
        require_challenge(EnvConfig(id="VizdoomTakeCover-v1"), "blob")
    with pytest.raises(UserError, match="domain_randomize draws anew"):
        make_vector_env(EnvConfig(kwargs={"domain_randomize": True}), 1, "colour")
