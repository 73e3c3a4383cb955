"""Several M's beside one dream: what they doubt, and that they change nothing."""

import shutil
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
import torch

from reverie.dream.dreamer import DreamConfig, Dreamer, load_dreams
from reverie.dream.ensemble import Member, disagreement, doubt_along
from reverie.dream.env import DreamEnv
from reverie.errors import UserError
from reverie.metrics import Metrics
from reverie.models.mdn_rnn import Memory, MemoryConfig
from reverie.run_folder import RunFolder
from reverie.seeding import torch_seeded
from reverie.training.memory import train_memory
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


def dreamt(members: list[Member], decisions: int = 6) -> tuple[Dreamer, torch.Tensor, torch.Tensor, list]:
    """A dreamer after some decisions in four dreams, the actions, the latents and what each step gave."""
    memory = born(0)
    dreamer = Dreamer(memory, bank(memory, 5), 4, DreamConfig(), torch.Generator().manual_seed(1), members)
    dreamer.begin(torch.arange(4))
    act = torch.linspace(-1, 1, 4 * decisions * 2).reshape(4, decisions, 2)
    latents, steps = [dreamer.z], []
    for i in range(decisions):
        steps.append(dreamer.step(act[:, i]))
        latents.append(dreamer.z)
    return dreamer, act, torch.stack(latents, 1), steps


def member(seed: int) -> Member:
    memory = born(seed)
    return Member(memory=memory, starts=bank(memory, 5))


def test_those_who_watch_change_nothing() -> None:
    _, _, alone, steps = dreamt([])
    assert all(step.doubt is None for step in steps)
    _, _, watched, steps = dreamt([member(1), member(2)])
    assert torch.equal(watched, alone)
    assert all(step.doubt.shape == (4,) and (step.doubt > 0).all() for step in steps)


def test_a_member_like_the_first_has_no_doubt() -> None:
    _, _, _, steps = dreamt([member(0)])
    assert all(torch.allclose(step.doubt, torch.zeros(4), atol=1e-6) for step in steps)


def test_doubt_along_a_drive_is_that_of_the_dream_step_by_step() -> None:
    memories = [born(0), born(1), born(2)]
    empty = [Member(memory=m, starts=replace(bank(m, 1), state=m.initial_state(1))) for m in memories]
    start = empty[0].starts
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
    before = [state.clone() for state in dreamer._watchers._states[0]]
    dreamer._put(rows, torch.full((4,), 3))
    for now, old in zip(dreamer._watchers._states[0], before, strict=True):
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


@pytest.fixture
def ensemble(tiny_run: RunFolder) -> RunFolder:
    """The tiny run with three M's."""
    tiny_run.forget("memory")
    tiny_run.config = replace(tiny_run.config, memory=replace(tiny_run.config.memory, members=3))
    with Metrics(tiny_run.path, tensorboard=False) as metrics:
        train_memory(tiny_run, metrics, quiet=True)
    return tiny_run


def test_the_first_is_what_it_would_be_alone_and_the_others_differ(ensemble: RunFolder) -> None:
    files = {path.name: path.read_bytes() for path in ensemble.path.glob("memory*.safetensors")}
    names = {"memory.safetensors", "memory.1.safetensors", "memory.2.safetensors"}
    assert names <= set(files)
    assert len({files[name] for name in names}) == 3
    assert names | {"dream.1.safetensors"} <= set(ensemble.stage("memory")["files"])
    ensemble.forget("memory")
    assert not list(ensemble.path.glob("*.1.*"))
    ensemble.config = replace(ensemble.config, memory=replace(ensemble.config.memory, members=1))
    with Metrics(ensemble.path, tensorboard=False) as metrics:
        train_memory(ensemble, metrics, quiet=True)
    assert ensemble.memory.read_bytes() == files["memory.safetensors"]
    assert not load_dreams(ensemble.path).members


def test_a_dream_says_its_doubt(ensemble: RunFolder) -> None:
    env = DreamEnv(str(ensemble.path))
    env.reset(seed=0)
    act = np.array([0.3, 1, 0], np.float32)
    doubt = [env.step(act)[4]["doubt"] for _ in range(3)]
    assert all(value > 0 for value in doubt)
    env.reset(seed=0)
    assert [env.step(act)[4]["doubt"] for _ in range(3)] == doubt
    many = gymnasium.make_vec("reverie/Dream-v0", num_envs=2, run=str(ensemble.path), max_decisions=2)
    many.reset(seed=0)
    over = np.zeros(2, bool)
    for _ in range(6):
        _, _, end, trunc, info = many.step(np.tile(act, (2, 1)))
        np.testing.assert_array_equal(info["_doubt"], ~over)  # a dream that begins anew took no action
        assert (info["doubt"] > 0).all()
        over = end | trunc


def test_a_member_of_another_v_is_refused(ensemble: RunFolder) -> None:
    load_dreams(ensemble.path)
    shutil.copy(ensemble.path / "dream.2.safetensors", ensemble.path / "dream.1.safetensors")
    with pytest.raises(UserError, match=r"dream\.1\.safetensors was made with another M than"):
        load_dreams(ensemble.path)
