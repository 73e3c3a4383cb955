"""Take Cover: one world whoever draws it, episodes that follow from their seeds, and games that leave nothing."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from reverie.actions import Sidestep
from reverie.envs import EnvConfig, make_vector_env, spec_of
from reverie.envs.random_policies import random_policy
from reverie.errors import UserError

pytest.importorskip("vizdoom", reason="vizdoom is not installed (extra doom)")

ID = "VizdoomTakeCover-v1"
LIMIT_SECONDS = 300
"""Generous: a game starts in a second or two on an idle machine."""


def config(**changes) -> EnvConfig:
    return EnvConfig(**({"id": ID, "action_repeat": 4, "max_frames": 2100} | changes))


def played(env, row: int, seed: int) -> str:
    """A fingerprint of an episode of a player who does not look."""
    rng, digest = np.random.default_rng(seed), hashlib.sha256(env.reset([row], [seed]).tobytes())
    while True:
        out = env.step([row], rng.integers(-1, 2, (1, 1)).astype(np.float32))
        for part in out:
            digest.update(part.tobytes())
        if out.end[0] or out.trunc[0]:
            return digest.hexdigest()


def games_of(pid: int) -> list[psutil.Process]:
    return [child for child in psutil.Process(pid).children(recursive=True) if child.name() == "vizdoom"]


def test_what_is_known_of_it():
    spec = spec_of(config())
    assert spec.actions == Sidestep(left=2, stay=0, right=1)
    assert (spec.frames_per_second, spec.picture.rows) == (35.0, 200)
    assert spec.mirror
    np.testing.assert_array_equal(spec.mirror.of(np.array([[-1.0], [0.0], [1.0]])), [[1], [0], [-1]])
    assert spec_of(config(kwargs={"doom_skill": 5})) == spec
    with pytest.raises(UserError, match="takes doom_skill here, not 'frame_skip'"):
        spec_of(config(kwargs={"frame_skip": 4}))
    with pytest.raises(UserError, match="doom_skill of VizdoomTakeCover-v1 is 9: give 1 to 5"):
        make_vector_env(config(kwargs={"doom_skill": 9}), 1)


def test_whoever_draws_it_is_the_same_world():
    envs = [make_vector_env(config(renderer=renderer, max_frames=130), 2) for renderer in ("fast", "gymnasium")]
    first, again = (env.reset([0, 1], [5, 6]) for env in envs)
    np.testing.assert_array_equal(first, again)
    live, rng, tics = np.ones(2, bool), np.random.default_rng(0), np.zeros(2, int)
    while live.any():
        rows = np.flatnonzero(live)
        act = rng.integers(-1, 2, (len(rows), 1)).astype(np.float32)
        ours, theirs = (env.step(rows, act) for env in envs)
        for name in ("rew", "end", "trunc", "frames"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
        np.testing.assert_array_equal(ours.obs[~ours.end], theirs.obs[~ours.end])
        tics[rows] += ours.frames
        live[rows] = ~(ours.end | ours.trunc)
    assert tics.max() == 130
    for env in envs:
        env.close()


def test_a_tic_survived_is_a_point_and_death_ends_it():
    env = make_vector_env(config(action_repeat=7), 1)
    env.reset([0], [1])
    total, seen = 0, None
    while True:
        out = env.step([0], np.zeros((1, 1), np.float32))  # who stands still is hit
        assert out.rew[0] == out.frames[0]
        total += out.frames[0]
        if out.end[0]:
            break
        seen = out.obs
    assert (out.trunc[0], 0 < out.frames[0] <= 7) == (False, True)
    assert 50 < total < 1000
    np.testing.assert_array_equal(out.obs, seen)  # the last picture that there was
    with pytest.raises(RuntimeError, match="row 0"):
        env.step([0], np.zeros((1, 1), np.float32))
    env.close()


def test_an_episode_follows_from_its_seed_in_whatever_game_and_process():
    env = make_vector_env(config(max_frames=120), 2)
    first = [played(env, 0, 11), played(env, 0, 12)]
    assert first[0] != first[1]
    env.reset([1], [3])
    env.step([1], np.ones((1, 1), np.float32))  # left in the middle of another episode
    assert [played(env, 1, 12), played(env, 1, 11)] == first[::-1]
    env.close()
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_take_cover as t; "
        "from reverie.envs import make_vector_env; print(t.played(make_vector_env(t.config(max_frames=120), 1), 0, 12))"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == first[1]


def test_games_are_kept_for_the_next():
    env = make_vector_env(config(), 2)
    env.reset([0, 1], [1, 2])
    before = {game.pid for game in games_of(os.getpid())}
    env.close()
    del env
    again = make_vector_env(config(action_repeat=2), 2)
    again.reset([1, 0], [1, 2])
    assert {game.pid for game in games_of(os.getpid())} == before
    again.close()


def test_a_game_that_died_is_replaced():
    env = make_vector_env(config(), 1)
    before = played(env, 0, 2)
    env.reset([0], [3])
    for game in games_of(os.getpid()):
        game.kill()
    with pytest.raises(Exception, match="ViZDoom instance"):
        env.step([0], np.ones((1, 1), np.float32))
    assert played(env, 0, 2) == before
    env.close()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, None])
def test_nothing_is_left_of_a_game_however_its_owner_ends(how, tmp_path):
    code = (
        "import signal, sys, time; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from reverie.envs import EnvConfig, make_vector_env; "
        f"env = make_vector_env(EnvConfig(id={ID!r}), 2); env.reset([0, 1], [1, 2]); "
        "print('begun', flush=True); sys.stdin.read()"
    )
    shared = Path("/dev/shm")
    names = {path.name for path in shared.glob("ViZDoom*")}
    owner = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert owner.stdin
    assert owner.stdout
    assert owner.stdout.readline() == "begun\n"
    games = games_of(owner.pid)
    assert len(games) == 2
    assert list(tmp_path.iterdir()) == []
    deadline = time.monotonic() + LIMIT_SECONDS
    while (
        not {path.name for path in shared.glob("ViZDoom*")} <= names
    ):  # those of a game that another test starts go, too
        assert time.monotonic() < deadline
        time.sleep(0.05)
    if how is signal.SIGINT:
        os.killpg(owner.pid, how)  # as a terminal does
    elif how:
        owner.send_signal(how)
    owner.communicate(timeout=LIMIT_SECONDS)
    deadline = time.monotonic() + LIMIT_SECONDS
    while any(game.is_running() and game.status() != psutil.STATUS_ZOMBIE for game in games):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert list(tmp_path.iterdir()) == []


def test_the_random_player_holds_each_step_for_a_while():
    policy = random_policy(config(), "menu", hold=10, push=0, seed=0)
    policy.reset([1, 2, 3])
    frames, none = np.zeros((3, 64, 64, 3), np.uint8), np.zeros(3)
    acts = np.stack([policy.act(frames, none)[:, 0] for _ in range(6000)])
    shares = [(acts == step).mean() for step in (-1, 0, 1)]
    np.testing.assert_allclose(shares, 1 / 3, atol=0.03)
    changes = (np.diff(acts, axis=0) != 0).mean()
    assert changes == pytest.approx(2 / 3 / 5.5, abs=0.01)  # a third of what is drawn anew is what it was
    alone = random_policy(config(), "menu", hold=10, push=0, seed=0)
    alone.reset([1, 2, 3])
    alone.keep(np.array([False, True, False]))
    np.testing.assert_array_equal([alone.act(frames[:1], none[:1])[0, 0] for _ in range(50)], acts[:50, 1])
    with pytest.raises(UserError, match=r"'walk' knows how to act in CarRacing-v3 only, not in VizdoomTakeCover-v1"):
        random_policy(config(), "walk", hold=5, push=0, seed=0)
