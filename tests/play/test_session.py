"""`reverie play` without its window: one moment, two worlds."""

import gc
import weakref
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from reverie.actions import BoxActions, Categories, Sidestep, SteerPedal
from reverie.agent import Agent
from reverie.dream.dreamer import Dreamer
from reverie.dream.imagine import DreamConfig
from reverie.dream.moments import load_moments
from reverie.envs.registry import make_vector_env
from reverie.errors import UserError
from reverie.models.files import load_controller, load_models
from reverie.models.mdn_rnn import Memory, MemoryConfig
from reverie.models.rewards import RewardConfig
from reverie.play.session import Command, Session, handled, held_keys, keys_of, turn
from reverie.play.view import GAP, HEIGHT, SCALE, WIDTH, draw
from reverie.policies import AgentPolicy
from reverie.rollout import rollout
from reverie.run.folder import RunFolder
from reverie.seeding import torch_generator

REST = np.zeros(3, np.float32)
ROW = np.zeros(1, np.int64)

Begin = Callable[..., Session]


@pytest.fixture
def begin(tiny_run: RunFolder) -> Begin:
    """A session on track 7 of the tiny run, with a time limit of 25 decisions, and dreams that never end."""
    controller, params = load_controller(tiny_run.controller)
    agent = Agent(*load_models(tiny_run.path), controller, tiny_run.config.agent)
    moments, _ = load_moments(tiny_run.dream, tiny_run.memory)
    env = replace(tiny_run.config.env, max_frames=100)
    expect_end(agent, -50)

    def make(**changes) -> Session:
        given = {"agent": agent, "params": params, "moments": moments, "env": env, "track": 7} | changes
        return Session(**given)

    return make


def expect_end(agent: Agent, logit: float) -> None:
    with torch.no_grad():
        agent.memory.head.weight[-1], agent.memory.head.bias[-1] = 0, logit


def actions(num: int) -> np.ndarray:
    act = np.random.default_rng(3).uniform((-1, 0.3, 0), (1, 1, 0.1), (num, 3))
    return act.astype(np.float32)


def drive(session: Session, acts: np.ndarray) -> None:
    for act in acts:
        session.advance(act)


def test_real_drive_is_the_environment_s_own(begin: Begin, tiny_run: RunFolder):
    session, acts = begin(), actions(12)
    env = make_vector_env(replace(tiny_run.config.env, max_frames=100), 1)
    assert np.array_equal(session.obs, env.reset(ROW, [7])[0])
    ret = 0.0
    for i, act in enumerate(acts):
        session.advance(act)
        step = env.step(ROW, act[None])
        ret += float(step.rew[0])
        assert np.array_equal(session.obs, step.obs[0])
        assert session.score == (pytest.approx(ret), i + 1, False)
    assert ret != 0


def test_there_and_back_is_the_same_moment(begin: Begin):
    stayed, went, acts = begin(), begin(), actions(16)
    drive(stayed, acts[:8])
    drive(went, acts[:8])
    went.press("switch")
    drive(went, acts[:5])
    assert (went.mode, went.score.decisions) == ("dream", 5)
    went.press("switch")
    assert (went.mode, went.score) == ("real", stayed.score)
    for act in acts[8:]:
        assert np.array_equal(went.obs, stayed.obs)
        for mine, other in zip(went.state, stayed.state, strict=True):
            assert torch.equal(mine, other)
        drive(stayed, act[None])
        drive(went, act[None])
    assert went.score == stayed.score
    assert not np.array_equal(went.obs, begin().obs)


def test_the_dream_goes_on_from_the_real_moment(begin: Begin):
    session, acts = begin(), actions(9)
    memory, encode = session.agent.memory, session.agent.encode
    state, rew = memory.initial_state(1), 0.0
    with torch.inference_mode():
        for act in acts:
            z = encode(torch.from_numpy(session.obs[None]))
            state = memory.step(z, torch.from_numpy(act[None]), state, torch.tensor([rew]))
            session.advance(act)
            rew = session.rew
        z = encode(torch.from_numpy(session.obs[None]))
    session.press("switch")
    assert session.dreamer is not None
    torch.testing.assert_close(session.dreamer.z, z)
    torch.testing.assert_close(session.dreamer.state, state)
    assert float(session.dreamer.rew[0]) == pytest.approx(rew)
    assert float(state.h.abs().sum()) > 0
    assert not torch.allclose(z, encode(torch.from_numpy(begin().obs[None])))
    session.advance(acts[0])
    with torch.inference_mode():
        expected = memory.predict(memory.step(z, torch.from_numpy(acts[:1]), state, torch.tensor([rew])).top, z)
    assert expected.reward is not None
    assert session.score.ret == pytest.approx(float(expected.reward[0]), abs=1e-5)
    assert session.score.decisions == 1


def test_a_memory_that_reads_rewards_is_told_the_last_one(begin: Begin):
    """In the switch as on the road: else the dream would begin with another belief."""
    session = begin()
    agent = session.agent
    memory = Memory(MemoryConfig(hidden_size=16, reward_input=True), agent.vision.z_size, 3)
    session = begin(agent=Agent(agent.vision, memory, agent.controller, agent.config), params=None)
    act = torch.from_numpy(actions(1))
    with torch.inference_mode():
        first = memory.step(session.z, act, memory.initial_state(1), torch.zeros(1))
        session.advance(act[0].numpy())
        torch.testing.assert_close(session.state, first)
        second = memory.step(session.z, act, first, torch.tensor([session.rew]))
        ignorant = memory.step(session.z, act, first, torch.zeros(1))
    assert not torch.allclose(second.h, ignorant.h, atol=1e-4)
    session.press("switch")
    session.advance(act[0].numpy())
    assert session.dreamer is not None
    torch.testing.assert_close(session.dreamer.state, second)
    session.press("switch")
    session.advance(act[0].numpy())
    torch.testing.assert_close(session.state, second)


def test_the_autopilot_drives_as_the_agent_does(begin: Begin):
    session = begin()
    seen: list[tuple[np.ndarray, np.ndarray]] = []
    assert session.params is not None
    rollout(
        begin().env,
        AgentPolicy(session.agent, session.params.numpy()),
        [7],
        observer=lambda rows, obs, act, step: seen.append((obs[0], act[0])),  # noqa: ARG005
    )
    session.press("autopilot")
    for obs, act in seen:
        assert np.array_equal(session.obs, obs)
        session.advance(REST)
        assert np.array_equal(session.act, act)
    assert len(seen) == 25
    assert session.score.is_over
    session = begin()
    session.press("autopilot")
    session.press("autopilot")
    session.advance(REST)
    assert np.array_equal(session.act, REST)


def test_the_autopilot_drives_in_the_dream_by_what_it_sees_there(begin: Begin):
    session = begin(mode="dream", seed=4, temperature=0.5)
    session.press("autopilot")
    assert session.moments is not None
    chance = torch_generator(4, "play", 0)
    dreamer = Dreamer(session.agent.memory, session.moments, 1, DreamConfig(temperature=0.5), chance)
    dreamer.reset(torch.ones(1, dtype=torch.bool))
    assert session.params is not None
    acts = []
    for _ in range(4):
        act = session.agent.controller.act(session.params, dreamer.z, dreamer.state)
        dreamer.step(act)
        session.advance(REST)
        acts.append(session.act)
        np.testing.assert_allclose(session.act, act[0])
    assert not np.allclose(acts[0], acts[-1])


def test_no_controller_is_said(begin: Begin):
    session = begin(params=None)
    session.press("autopilot")
    assert not session.autopilot
    assert session.message == "this run has no controller yet"
    session.advance(actions(1)[0])
    assert session.score.decisions == 1
    session.press("pause")
    assert session.message == ""


def test_a_dream_of_the_bank_has_no_real_moment_to_go_back_to(begin: Begin):
    session = begin(mode="dream")
    assert session.dreamer is not None
    assert session.moments is not None
    assert any(torch.equal(session.dreamer.z[0], z) for z in session.moments.z)
    drive(session, actions(2))
    session.press("switch")
    assert session.score == (0, 0, False)
    assert np.array_equal(session.obs, begin().obs)


def test_temperature(begin: Begin):
    session = begin()
    keys: tuple[Command, ...] = ("warmer", "warmer", "cooler")
    for key in keys:
        session.press(key)
    assert session.temperature == 1.1
    session.press("switch")
    assert session.dreamer is not None
    assert session.dreamer.config.temperature == 1.1
    for _ in range(20):
        session.press("cooler")
    assert session.temperature == session.dreamer.config.temperature == 0


def test_temperature_is_that_of_the_dream_under_way(begin: Begin):
    """At 0 there is no chance: two dreams of other seeds agree from then on, and at 1 they do not."""
    dreams = [begin(seed=seed, temperature=0.1) for seed in (1, 2)]
    for session in dreams:
        session.press("switch")
        session.press("cooler")
        drive(session, actions(3))
    one, other = (session.dreamer for session in dreams)
    assert one is not None
    assert other is not None
    assert torch.equal(one.z, other.z)
    for session in dreams:
        session.press("warmer")
        drive(session, actions(1))
    assert not torch.equal(one.z, other.z)


def test_anew_is_the_next_track_or_another_dream(begin: Begin):
    session = begin()
    drive(session, actions(3))
    session.press("anew")
    assert (session.track, session.score.decisions, session.mode) == (8, 0, "real")
    assert np.array_equal(session.obs, begin(track=8).obs)
    assert float(session.state.h.abs().sum()) == 0
    drive(session, actions(3))
    waits = session.obs
    session.press("switch")
    drive(session, actions(2))
    session.press("anew")
    assert (session.mode, session.track, session.score.decisions, session.num_dreams) == ("dream", 8, 0, 2)
    assert session.moments is not None
    assert session.dreamer is not None
    assert any(torch.equal(session.dreamer.z[0], z) for z in session.moments.z)
    session.press("switch")
    assert np.array_equal(session.obs, waits)
    assert session.score.decisions == 3


def test_without_a_bank_the_dream_begins_again_where_it_was_entered(begin: Begin):
    session = begin(moments=None)
    drive(session, actions(3))
    session.press("switch")
    drive(session, actions(2))
    session.press("anew")
    assert session.dreamer is not None
    assert torch.equal(session.dreamer.z, session.z)
    assert session.score.decisions == 0
    with pytest.raises(UserError, match="no bank of moments"):
        begin(moments=None, mode="dream")


def test_pause_and_end_stand_still(begin: Begin):
    session = begin()
    session.press("pause")
    drive(session, actions(2))
    assert session.score.decisions == 0
    session.press("pause")
    drive(session, actions(30))
    assert (session.score.decisions, session.score.is_over) == (25, True)
    session.press("switch")
    assert not session.score.is_over
    expect_end(session.agent, 50)
    drive(session, actions(3))
    assert (session.score.decisions, session.score.is_over) == (1, True)


def test_an_m_without_rewards_is_driven_for_real_alone(begin: Begin):
    agent = begin().agent
    memory = Memory(MemoryConfig(hidden_size=16, reward=RewardConfig(head="none")), agent.vision.z_size, 3)
    session = begin(agent=Agent(agent.vision, memory, agent.controller, agent.config))
    session.press("switch")
    assert session.mode == "real"
    assert session.message == "this M does not predict rewards"
    with pytest.raises(UserError, match="does not predict rewards"):
        begin(agent=session.agent, mode="dream")


def test_keys_act_in_any_world():
    box, choice = BoxActions(low=(0.0,) * 3, high=(1.0,) * 3), Categories(sizes=(3,), first=(0,))
    rest = np.zeros(3, np.float32)
    np.testing.assert_allclose(handled(box, rest, {"left", "gas"}, 0.1), [-0.3, 0.3, 0])
    np.testing.assert_array_equal(handled(box, rest, {"right", "brake"}, 9), [1, -1, 0])
    np.testing.assert_array_equal(handled(BoxActions(low=(0.0,), high=(1.0,)), rest[:1], {"gas", "left"}, 9), [-1])
    np.testing.assert_array_equal(handled(choice, rest, {"2", "left"}, 0.1), [0, 0, 1])
    step = Sidestep(left=2, stay=0, right=1)
    assert [handled(step, rest[:1], held, 0.1)[0] for held in ({"left"}, {"right"}, {"left", "right"}, set())] == [
        -1,
        1,
        0,
        0,
    ]
    assert keys_of(step) == ("arrows, WASD", "a step to that side")
    np.testing.assert_array_equal(handled(choice, rest, {"7"}, 0.1), [1, 0, 0])
    np.testing.assert_array_equal(handled(SteerPedal(), rest, {"left", "7"}, 0.1), turn(rest, {"left"}, 0.1))
    assert [keys_of(actions)[0] for actions in (box, choice)] == ["arrows, WASD", "0 to 9"]


def test_the_wheel_turns_smoothly_and_back():
    act, steered = REST, []
    for _ in range(5):
        act = turn(act, {"left", "gas"}, 0.08)
        steered.append(act[0])
    np.testing.assert_allclose(steered, [-0.24, -0.48, -0.72, -0.96, -1.0], atol=1e-6)
    np.testing.assert_allclose(turn(act, {"gas"}, 0.08), [-0.52, 1, 0], atol=1e-6)
    np.testing.assert_allclose(turn(act, {"right", "gas"}, 0.08), [-0.52, 1, 0], atol=1e-6)
    np.testing.assert_allclose(turn(act, {"left", "right"}, 1.0), REST)
    np.testing.assert_allclose(turn(REST, {"brake", "right"}, 1.0), [1, 0, 0.8], atol=1e-6)
    np.testing.assert_allclose(turn(turn(REST, {"right"}, 0.02), {"right"}, 0.06), turn(REST, {"right"}, 0.08))


def test_pictures_are_of_the_world_that_is_driven(begin: Begin):
    agent = begin().agent
    memory = Memory(MemoryConfig(hidden_size=16, residual=True), agent.vision.z_size, 3)
    session = begin(agent=Agent(agent.vision, memory, agent.controller, agent.config))
    expect_end(session.agent, -50)
    drive(session, actions(4))
    before = session.z
    real = draw(session, 12.5)
    assert real.shape == (HEIGHT, WIDTH, 3)
    inside = slice(GAP, GAP + 64 * SCALE)
    assert np.array_equal(real[inside, inside], session.obs.repeat(SCALE, 0).repeat(SCALE, 1))
    drive(session, actions(1))
    assert session.expected is not None
    with torch.inference_mode():
        expected = memory.predict(session.state.top, before).z.mean()
        assert (expected - memory.predict(session.state.top, session.z).z.mean()).abs().max() > 1e-4
        torch.testing.assert_close(session.expected, expected)
        tiles = agent.vision.decode(torch.cat([session.z, expected])).numpy()
    (_, first), (_, second) = session.pictures()[1]
    assert np.array_equal(first, tiles[0])
    assert np.array_equal(second, tiles[1])
    session.press("switch")
    drive(session, actions(2))
    assert session.dreamer is not None
    dream = draw(session, 12.5)
    with torch.inference_mode():
        seen = agent.vision.decode(session.dreamer.z).numpy()[0]
    assert np.array_equal(dream[inside, inside], seen.repeat(SCALE, 0).repeat(SCALE, 1))
    assert not np.array_equal(dream[inside, GAP + 64 * SCALE :], real[inside, GAP + 64 * SCALE :])


def test_every_word_has_its_effect_on_the_picture(begin: Begin):
    session = begin()
    pictures = [draw(session, 12.5), draw(session, 6.2)]
    commands: tuple[Command, ...] = ("autopilot", "warmer", "pause", "anew", "switch")
    for command in commands:
        session.press(command)
        pictures.append(draw(session, 6.2))
    for before, after in pairwise(pictures):
        assert not np.array_equal(before, after)


def test_held_keys(begin: Begin):
    assert held_keys(begin().spec.actions) == ("left", "right", "gas", "brake")
    assert held_keys(SteerPedal()) == ("left", "right", "gas", "brake")
    assert held_keys(BoxActions(low=(-1,), high=(1,), shape=(1,))) == ("left", "right")
    assert held_keys(BoxActions(low=(-1,) * 5, high=(1,) * 5, shape=(5,))) == ("left", "right", "gas", "brake")
    assert held_keys(Categories(sizes=(3,), first=(0,))) == ("0", "1", "2")
    assert held_keys(Categories(sizes=(12,), first=(0,))) == tuple("0123456789")


def test_another_c_takes_over(begin: Begin):
    session, other = begin(), begin()
    session.press("autopilot")
    other.press("autopilot")
    assert session.params is not None
    params = session.params[0].numpy() * -1 + 1
    session.take(session.agent.controller, params)
    assert session.message == "a newer C has come"
    session.advance(REST)
    other.advance(REST)
    assert not np.array_equal(session.act, other.act)
    assert session.score.decisions == 1


def test_what_is_closed_is_freed(begin: Begin):
    session = begin()
    session.advance(REST)
    session.switch()
    session.advance(REST)
    left = weakref.ref(session)
    gc.disable()
    try:
        session.close()
        del session
        assert left() is None
    finally:
        gc.enable()
