"""Where dreams of a step begin."""

from pathlib import Path

import numpy as np
import pytest
import torch

from reverie.data.episode import Episode
from reverie.data.latents import LatentStore, LatentWriter
from reverie.models.mdn_rnn import Memory, MemoryConfig
from reverie.seeding import torch_seeded
from reverie.training.controller.imagine import starts
from reverie.training.controller.imagine.starts import Starts


@pytest.fixture
def latents(tmp_path: Path) -> LatentStore:
    """9 episodes of 20 decisions, the last of them held out; each latent is 100 times its episode's number and its own
    number."""
    rng = np.random.default_rng(0)
    with LatentWriter(tmp_path / "latents", 9 * 21, 9, 2, 1, {}) as writer:
        for i in range(9):
            mu = (100 * i + np.arange(21, dtype=np.float32))[:, None].repeat(2, 1)
            obs = np.zeros((21, 64, 64, 3), np.uint8)
            act, rew = rng.normal(size=(20, 1)).astype(np.float32), np.ones(20, np.float32)
            writer.append(mu, np.zeros_like(mu), Episode(obs=obs, act=act, rew=rew, end=False, trunc=True))
    return LatentStore(tmp_path / "latents")


def memories() -> list[Memory]:
    with torch_seeded(0, "two"):
        return [Memory(MemoryConfig(hidden_size=4), 2, 1).requires_grad_(False) for _ in range(2)]


def some(latents: LatentStore, **settings) -> Starts:
    return Starts(memories(), latents, **{"batch": 400, "newest": 0.0, "seed": 0, "action_repeat": 4, **settings})


def test_a_batch_follows_from_its_step(latents: LatentStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "REDRAWN", 2)
    one, other = some(latents), some(latents)
    in_order = [one.batch(step)[0].z for step in range(5)]
    assert all(torch.equal(other.batch(step)[0].z, in_order[step]) for step in (4, 1, 3))
    assert not torch.equal(in_order[0], in_order[1])
    assert not torch.equal(some(latents, seed=1).batch(0)[0].z, in_order[0])


def test_all_memories_begin_at_the_same_moments_with_states_of_their_own(latents: LatentStore) -> None:
    first, second = some(latents).batch(0)
    assert torch.equal(first.z, second.z)
    assert torch.equal(first.earned, second.earned)
    assert not torch.isclose(first.state.h, second.state.h).all()
    number = first.z[:, 0].long() % 100
    assert set(number.tolist()) == {16, 17, 18, 19}
    assert torch.equal(first.frames, 4 * number)
    assert torch.equal(first.earned, number.float())


@pytest.mark.parametrize(("newest", "share"), [(0.0, 0.25), (0.4, 0.4 + 0.6 * 0.25), (1.0, 1.0)])
def test_a_share_begins_in_the_newest_quarter(latents: LatentStore, newest: float, share: float) -> None:
    z = torch.cat([some(latents, newest=newest, batch=4000).batch(step)[0].z[:, 0] for step in range(2)])
    assert z.max() < 800
    assert (z >= 600).float().mean().item() == pytest.approx(share, abs=0.02)
