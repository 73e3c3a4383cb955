"""The contract of VectorEnv, for each implementation, and that the two agree."""

import numpy as np
import pytest

from reverie.envs import EnvConfig, Transition, make_vector_env

ACT = np.array([[0.3, 0.7, 0.0]], np.float32)


@pytest.fixture(params=["fast", "gymnasium"])
def config(request):
    return EnvConfig(renderer=request.param, action_repeat=3, max_frames=10)


def actions(n, seed=0):
    return np.random.default_rng(seed).uniform([-1, 0, 0], [1, 1, 1], (n, 3)).astype(np.float32)


def test_shapes_types_and_time_limit(config):
    env = make_vector_env(config, 2)
    assert (env.num_envs, env.spec.actions.size) == (2, 3)
    obs = env.reset([0, 1], [5, 6])
    assert (obs.shape, obs.dtype) == ((2, 64, 64, 3), np.uint8)
    outcomes = [env.step(np.arange(2), actions(2)) for _ in range(4)]
    for out in outcomes:
        assert isinstance(out, Transition)
        assert (out.obs.shape, out.obs.dtype) == ((2, 64, 64, 3), np.uint8)
        assert (out.rew.dtype, out.end.dtype, out.trunc.dtype) == (np.float64, bool, bool)
        assert out.rew.shape == out.end.shape == out.trunc.shape == out.frames.shape == (2,)
    assert [out.frames.tolist() for out in outcomes] == [[3, 3], [3, 3], [3, 3], [1, 1]]
    assert [out.trunc.tolist() for out in outcomes] == [[False] * 2] * 3 + [[True] * 2]
    env.close()


def test_an_ended_row_is_not_stepped_until_it_is_reset(config):
    env = make_vector_env(config, 2)
    with pytest.raises(RuntimeError, match="row 0"):
        env.step([0], ACT)
    env.reset([0, 1], [1, 2])
    for _ in range(4):
        env.step([0], ACT)
    with pytest.raises(RuntimeError, match="row 0"):
        env.step([0], ACT)
    env.step([1], ACT)
    env.reset([0], [1])
    assert not env.step([0], ACT).trunc[0]


def test_rows_do_not_depend_on_their_neighbours(config):
    seeds, acts = [7, 8, 9], [actions(3, k) for k in range(3)]
    together = make_vector_env(config, 3)
    first = together.reset([0, 1, 2], seeds)
    outcomes = [together.step([0, 1, 2], act) for act in acts]
    alone = make_vector_env(config, 3)
    for row in (2, 0):  # another order, another company, and a row that has been used before
        alone.reset([row], [99])
        alone.step([row], ACT)
        np.testing.assert_array_equal(alone.reset([row], [seeds[row]])[0], first[row])
        for act, both in zip(acts, outcomes, strict=True):
            out = alone.step([row], act[row : row + 1])
            np.testing.assert_array_equal(out.obs[0], both.obs[row])
            assert out.rew[0] == both.rew[row]


def test_arrays_belong_to_the_caller(config):
    env = make_vector_env(config, 1)
    obs = env.reset([0], [3])
    out = env.step([0], ACT)
    kept = [obs.copy(), *(x.copy() for x in out)]
    env.step([0], -ACT)
    env.reset([0], [4])
    for now, then in zip([obs, *out], kept, strict=True):
        np.testing.assert_array_equal(now, then)


def test_fast_and_gymnasium_agree():
    fast, slow = (
        make_vector_env(EnvConfig(renderer=renderer, action_repeat=4, max_frames=90), 2)
        for renderer in ("fast", "gymnasium")
    )
    frames = [(fast.reset([0, 1], [1, 2]), slow.reset([0, 1], [1, 2]))]
    for k in range(23):
        act = actions(2, k) * np.array([0.3, 1, 0], np.float32)
        ours, theirs = fast.step([0, 1], act), slow.step([0, 1], act)
        for name in ("rew", "end", "trunc", "frames"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
        frames.append((ours.obs, theirs.obs))
    difference = np.abs(np.diff(np.array(frames).astype(int), axis=1))
    assert difference.mean() <= 0.1
    assert np.quantile(difference, 0.99) <= 2


def test_termination_stops_a_decision_early():
    env = make_vector_env(EnvConfig(action_repeat=50, max_frames=2000), 1)
    env.reset([0], [13])
    while True:
        out = env.step([0], np.array([[0, 0.3, 0]], np.float32))  # straight on, off the field
        if out.end[0] or out.trunc[0]:
            break
    assert out.end[0]
    assert 0 < out.frames[0] < 50
    assert out.rew[0] == pytest.approx(-100 - 0.1 * (out.frames[0] - 1))
