"""Several M's beside one dream: what they doubt, and that they change nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from reverie.dream.dreamer import Dreamer
from reverie.dream.ensemble import Member, disagreement, doubt_along, of_each
from reverie.dream.imagine import DreamConfig
from reverie.errors import UserError
from reverie.models.mdn_rnn import Memory, MemoryConfig, Prediction
from reverie.seeding import torch_seeded
from reverie.types import SequenceBatch
from tests.dream.test_dreamer import bank


def born(seed: int) -> Memory:
    with torch_seeded(seed, "member"):
        return Memory(MemoryConfig(hidden_size=6, num_mixtures=2), 3, 2).eval()


def test_disagreement_is_the_spread_of_the_members_over_all_of_z() -> None:
    means = torch.tensor([[[0.0, 1.0]], [[2.0, 1.0]], [[4.0, 4.0]]])
    expected = np.sqrt((np.var([0, 2, 4]) + np.var([1, 1, 4])) / 2)
    assert disagreement(means).tolist() == pytest.approx([expected])
    assert disagreement(means[:1]).tolist() == [0]


def dreamt(others: list[Member], decisions: int = 6, **settings) -> tuple[Dreamer, torch.Tensor, torch.Tensor, list]:
    """A dreamer after some decisions in four dreams, the actions, the latents and what each step gave."""
    memory, chance = born(0), torch.Generator().manual_seed(1)
    dreamer = Dreamer(memory, bank(memory, 5), 4, DreamConfig(**settings), chance, others)
    dreamer.begin(torch.arange(4))
    act = torch.linspace(-1, 1, 4 * decisions * 2).reshape(4, decisions, 2)
    latents, steps = [dreamer.z], []
    for i in range(decisions):
        steps.append(dreamer.step(act[:, i]))
        latents.append(dreamer.z)
    return dreamer, act, torch.stack(latents, 1), steps


def member(seed: int) -> Member:
    memory = born(seed)
    return Member(memory=memory, moments=bank(memory, 5))


def test_those_who_watch_change_nothing() -> None:
    _, _, alone, steps = dreamt([])
    assert all(step.doubt is None for step in steps)
    _, _, watched, steps = dreamt([member(1), member(2)])
    assert torch.equal(watched, alone)
    assert all(step.doubt.shape == (4,) and (step.doubt > 0).all() for step in steps)


def test_a_member_like_the_first_has_no_doubt() -> None:
    for num in (1, 2, 4):
        _, _, _, steps = dreamt([member(0)] * num)
        assert all(torch.equal(step.doubt, torch.zeros(4)) for step in steps)


def test_of_each_dream_what_its_member_expects() -> None:
    memories, z = [born(0), born(1), born(2)], torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    every = [memory.predict(torch.linspace(-1, 1, 30).reshape(5, 6), z) for memory in memories]
    who = torch.tensor([2, 0, 1, 1, 0])
    found = of_each(every, who)
    assert found.reward is not None
    assert found.end_logit is not None
    for i, m in enumerate(who.tolist()):
        alone = every[m]
        assert alone.reward is not None
        assert alone.end_logit is not None
        for mine, parts in ((found.z, alone.z), ((found.reward, found.end_logit), (alone.reward, alone.end_logit))):
            assert all(torch.equal(part[i], expected[i]) for part, expected in zip(mine, parts, strict=True))
    bare = [Prediction(one.z, None, None) for one in every]
    assert of_each(bare, who)[1:] == (None, None)


def test_each_dream_draws_whose_word_counts() -> None:
    """Rewards of 0 and 1 tell the members apart: the draw is even, new at every decision, and decided by the seed."""
    first, others = born(0), [member(1)]
    with torch.no_grad():
        for one, reward in ((first, 0.0), (others[0].memory, 1.0)):
            one.head.weight[-2].zero_()
            one.head.bias[-2] = reward / one.config.reward.scale

    def drive(seed: int) -> torch.Tensor:
        chance = torch.Generator().manual_seed(seed)
        dreamer = Dreamer(first, bank(first, 1), 500, DreamConfig(members="random"), chance, others)
        steps = [dreamer.step(torch.zeros(500, 2)) for _ in range(4)]
        assert all(step.doubt is not None and (step.doubt > 0).all() for step in steps)
        return torch.stack([step.rew for step in steps], 1)

    rew = drive(0)
    assert set(rew.flatten().tolist()) == {0.0, 1.0}
    assert rew.mean().item() == pytest.approx(0.5, abs=0.05)
    assert len(rew.unique(dim=0)) == 2**4
    assert torch.equal(drive(0), rew)
    assert not torch.equal(drive(1), rew)


def test_c_reads_the_first_whoever_is_drawn() -> None:
    """Its state follows the latents of the dream, wherever they come from."""
    dreamer, act, latents, _ = dreamt([member(1)], members="random")
    assert not torch.equal(latents, dreamt([member(1)])[2])
    memory = dreamer.memory
    state = bank(memory, 5).state.first(4)
    rew = bank(memory, 5).rew[:4]
    for i in range(act.shape[1]):
        state = memory.step(latents[:, i], act[:, i], state, rew)
    torch.testing.assert_close(dreamer.state.top, state.top)


def test_members_alike_dream_as_one_whoever_is_drawn() -> None:
    _, _, first, _ = dreamt([member(0)], temperature=0.0)
    _, _, drawn, _ = dreamt([member(0)], temperature=0.0, members="random")
    assert torch.equal(drawn, first)


def test_a_single_m_has_nobody_to_draw() -> None:
    with pytest.raises(UserError, match=r"members 'random' needs an ensemble.*memory\.members = 2 or more"):
        dreamt([], members="random")
    with pytest.raises(UserError, match="members 'best' is not one of first, random"):
        dreamt([member(1)], members="best")


def test_doubt_along_a_drive_is_that_of_the_dream_step_by_step() -> None:
    memories = [born(0), born(1), born(2)]
    empty = [Member(memory=m, moments=replace(bank(m, 1), state=m.initial_state(1))) for m in memories]
    start = empty[0].moments
    dreamer = Dreamer(memories[0], start, 3, DreamConfig(), torch.Generator().manual_seed(0), empty[1:])
    dreamer.reset(torch.ones(3, dtype=torch.bool))
    act = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(3))
    latents, doubts = [dreamer.z], []
    for i in range(5):
        doubts.append(dreamer.step(act[:, i]).doubt)
        latents.append(dreamer.z)
    along = doubt_along(memories, torch.stack(latents, 1), act, torch.zeros(3, 5))
    torch.testing.assert_close(along, torch.stack(doubts, 1))


def test_a_dream_that_begins_anew_begins_anew_for_all() -> None:
    dreamer, act, _, _ = dreamt([member(1)])
    rows = torch.tensor([True, False, True, False])
    before = [state.clone() for state in dreamer.others[0]]
    dreamer.begin(torch.full((4,), 3), rows)
    for now, old in zip(dreamer.others[0], before, strict=True):
        assert torch.equal(now[~rows], old[~rows])
        assert (now[rows] == 3).all()
    doubt = dreamer.step(act[:, 0]).doubt
    assert doubt is not None
    assert (doubt > 0).all()


def test_they_doubt_where_they_have_not_been() -> None:
    """Two M's learn that z moves by the action, from small actions; asked about large ones, they disagree more."""
    rng = torch.Generator().manual_seed(0)

    def batch(scale: float) -> SequenceBatch:
        act = scale * (2 * torch.rand(32, 8, 1, generator=rng) - 1)
        z = torch.cat([torch.zeros(32, 1, 1), act.cumsum(1)], 1)
        nothing = torch.zeros(32, 8)
        return SequenceBatch(z=z, act=act, rew=nothing, end=nothing, prev_rew=nothing, mask=torch.ones(32, 8))

    memories = []
    for seed in (0, 1, 2):
        with torch_seeded(seed, "toy"):
            memory = Memory(MemoryConfig(hidden_size=16, num_mixtures=1, min_sigma=0.05), 1, 1)
        optimizer = torch.optim.Adam(memory.parameters(), 1e-2)
        for _ in range(150):
            optimizer.zero_grad()
            memory.loss(batch(0.3))[0].backward()
            optimizer.step()
        memories.append(memory.eval())
    near, far = batch(0.3), batch(3.0)
    doubt = [doubt_along(memories, b.z, b.act, torch.zeros(32, 8)).mean().item() for b in (near, far)]
    assert doubt[1] > 3 * doubt[0]
