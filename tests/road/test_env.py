"""The real world as a run's agent meets it."""

import re
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

import reverie.road
from reverie.dream.env import OBSERVED, DreamEnv, Observed
from reverie.envs.registry import make_vector_env
from reverie.errors import UserError
from reverie.road.env import RoadEnv
from reverie.run.folder import RunFolder
from reverie.seeding import TEST_TRACKS, TRAINING_TRACKS
from reverie.training.controller.rollouts import agent_of
from tests.processes import python

UNBOUNDED = pytest.mark.filterwarnings("ignore:.*observation space (min|max)imum value")
TRACK = TRAINING_TRACKS[3]
ROOT = Path(__file__).parents[2]


@UNBOUNDED
@pytest.mark.parametrize("observation", OBSERVED)
def test_gymnasium_s_own_checker_passes_and_spaces_are_those_of_the_dream(
    observation: Observed, tiny_run: RunFolder
) -> None:
    env = gymnasium.make(
        "reverie.road:reverie/Road-v0", run=str(tiny_run.path), observation=observation, render_mode="rgb_array"
    )
    check_env(env.unwrapped)
    dream = DreamEnv(str(tiny_run.path), observation=observation)
    assert env.observation_space == dream.observation_space
    assert env.action_space == dream.action_space
    assert env.spec is not None
    assert env.spec.id == reverie.road.ROAD_ID


def test_it_shows_what_the_agent_reads_and_pays_what_the_world_pays(tiny_run: RunFolder) -> None:
    """The agent drives; beside it the environment is given the same actions."""
    agent, params = agent_of(tiny_run)
    rows, world = torch.from_numpy(params[None].astype(np.float32)), make_vector_env(tiny_run.config.env, 1)
    env = RoadEnv(str(tiny_run.path), observation="zh")
    obs, info = env.reset(options={"track": TRACK})
    assert info == {"track": TRACK}
    frames, state, rew, over = world.reset([0], [TRACK]), agent.initial_state(1), np.zeros(1), False
    while not over:
        z = agent.encode(torch.from_numpy(frames))
        np.testing.assert_allclose(obs, torch.cat([z, state.top], -1)[0], atol=1e-5)
        act, state = agent.act(frames, rew, rows, state)
        step = world.step([0], act)
        obs, paid, end, trunc, info = env.step(np.asarray(agent_action(env, act)))
        frames, rew, over = step.obs, step.rew, bool(step.end[0] | step.trunc[0])
        assert paid == pytest.approx(float(step.rew[0]))
        assert (end, trunc, info["frames"]) == (bool(step.end[0]), bool(step.trunc[0]), int(step.frames[0]))


def agent_action(env: RoadEnv, act: np.ndarray) -> object:
    return env.env.spec.actions.to_env(act)[0]


def test_tracks_are_for_training_unless_one_is_chosen(tiny_run: RunFolder) -> None:
    env = RoadEnv(str(tiny_run.path), observation="frame")
    first, same, other = (env.reset(seed=seed)[1]["track"] for seed in (1, 1, 2))
    assert first == same != other
    assert all(track in TRAINING_TRACKS for track in (first, other, env.reset()[1]["track"]))
    assert env.reset(options={"track": 7})[1]["track"] == 7
    assert 7 in TEST_TRACKS
    with pytest.raises(UserError, match="track -1 is none"):
        env.reset(options={"track": -1})
    with pytest.raises(UserError, match="is not one of a road: it knows track"):
        env.reset(options={"lap": 1})


def test_it_draws_what_v_sees(tiny_run: RunFolder) -> None:
    env = RoadEnv(str(tiny_run.path), observation="frame", render_mode="rgb_array")
    obs, _ = env.reset(seed=0)
    picture = env.render()
    assert picture is not None
    np.testing.assert_array_equal(picture[::6, ::6], obs)


def test_v_and_m_are_enough(tiny_run: RunFolder) -> None:
    tiny_run.forget("controller")
    RoadEnv(str(tiny_run.path)).reset()
    tiny_run.forget("memory")
    with pytest.raises(UserError, match="has not finished its stage memory"):
        RoadEnv(str(tiny_run.path))


def test_the_example_learns_in_the_dream_and_drives_on_the_road() -> None:
    page = (ROOT / "docs" / "dreams.md").read_text()
    (program,) = (block for block in re.findall(r"^```python\n(.*?)^```", page, re.M | re.S) if "PPO" in block)
    short = program.replace("200_000", "512").replace("range(20)", "range(1)")
    assert short != program
    assert re.search(r"mean return on 1 test tracks: -?\d+", python("-c", short))
