"""Moments at which dreams begin."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import reverie
from reverie import checkpoint
from reverie.actions import BoxActions, SteerGasBrake
from reverie.data.episode import Episode
from reverie.data.failures import STUCK
from reverie.data.latents import LatentStore, LatentWriter
from reverie.dream.dreamer import load_dreams
from reverie.dream.moments import DREAM, World, load_moments, make_moments, save_moments
from reverie.dream.near_failures import BEFORE, Failures, after_failures, before_failures
from reverie.errors import UserError
from reverie.models.files import MEMORY, agent_folder, load_memory, load_models, save_memory
from reverie.models.mdn_rnn import Memory, MemoryConfig
from reverie.run.folder import RunFolder
from reverie.types import LargestReturn

LENGTHS = (3, 9, 6)


@pytest.fixture
def latents(tmp_path: Path) -> LatentStore:
    """Episodes of 3, 9 and 6 decisions whose latents, actions and rewards count through: z = 100 x episode + step."""
    observations = sum(LENGTHS) + len(LENGTHS)
    with LatentWriter(tmp_path / "latents", observations, len(LENGTHS), 2, 1, {}) as writer:
        for i, num in enumerate(LENGTHS):
            mu = (100 * i + np.arange(num + 1, dtype=np.float32))[:, None].repeat(2, 1)
            rew = np.arange(num, dtype=np.float32) + 10 * i
            act = (0.1 * i + 0.01 * np.arange(num)[:, None]).astype(np.float32)
            obs = np.zeros((num + 1, 64, 64, 3), np.uint8)
            writer.append(mu, np.zeros_like(mu), Episode(obs=obs, act=act, rew=rew, end=False, trunc=True))
    return LatentStore(tmp_path / "latents")


def make_memory() -> Memory:
    torch.manual_seed(0)
    return Memory(MemoryConfig(hidden_size=6, num_mixtures=2, reward_input=True, num_layers=2), 2, 1)


def test_the_state_is_what_m_has_after_it_watched_the_true_decisions(latents: LatentStore) -> None:
    memory, context = make_memory(), 4
    moments = make_moments(memory, latents, 60, seed=0, context=context, action_repeat=3)
    possible = set()
    for z, h, c, rew in zip(moments.z, moments.state.h, moments.state.c, moments.rew, strict=True):
        episode, step = divmod(int(z[0]), 100)
        possible.add((episode, step))
        assert rew == 10 * episode + step - 1
        state = memory.initial_state(1)
        for i in range(step - context, step):
            at = torch.tensor([[100.0 * episode + i] * 2])
            act = torch.tensor([[0.1 * episode + 0.01 * i]])
            prev_rew = torch.tensor([10.0 * episode + i - 1 if i else 0.0])
            with torch.no_grad():
                state = memory.step(at, act, state, prev_rew)
        torch.testing.assert_close(h, state.h[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(c, state.c[0], rtol=1e-4, atol=1e-5)
    # Every moment after four decisions but an episode's last frame, and none across an episode's end.
    assert possible == {(1, 4), (1, 5), (1, 6), (1, 7), (1, 8), (2, 4), (2, 5)}


def test_a_moment_knows_what_its_episode_had_earned_in_how_many_frames(latents: LatentStore) -> None:
    moments = make_moments(make_memory(), latents, 60, seed=0, context=4, action_repeat=3)
    for z, earned, frames in zip(moments.z, moments.earned, moments.frames, strict=True):
        episode, step = divmod(int(z[0]), 100)
        assert earned == sum(range(step)) + 10 * episode * step
        assert frames == 3 * step


def test_a_moment_knows_whether_m_was_fitted_on_its_episode(latents: LatentStore) -> None:
    moments = make_moments(make_memory(), latents, 60, seed=0, context=4, action_repeat=3)
    assert moments.held_out.tolist() == (moments.z[:, 0] >= 200).tolist()  # the last of three episodes


def test_before_failures_are_the_decisions_up_to_the_last_that_got_on() -> None:
    lull, drive = [False] * STUCK, [True] * 30
    got_on = [True, *lull, *drive, *drive, *lull[1:], *drive, False]  # of three episodes
    end = [False] * len(got_on)
    end[-1] = True  # put out of the world; the second episode was cut before anybody could say
    offsets = np.array([0, 43, 43 + 41, 43 + 41 + 31])
    found = before_failures(np.array(got_on), np.array(end), offsets, context=1)
    first, second, third = np.split(found, np.cumsum([42, 40]))  # from the second observation of each on
    assert not first.any()  # its failure comes with the first decision
    assert not second.any()
    assert np.flatnonzero(third).tolist() == list(range(29 - BEFORE, 29))
    later = before_failures(np.array(got_on), np.array(end), offsets, context=15)
    assert len(later) == len(found) - 3 * 14
    assert later.sum() == 30 - 15


def test_after_failures_are_the_moments_until_the_driver_gets_on_again() -> None:
    got_on = [True] * 5 + [False] * (STUCK + 2) + [True] * 3 + [False] * 4 + [True] + [False] * STUCK
    short = [True] * 4 + [False] * 2  # cut before anybody could say
    end, offsets = np.zeros(len(got_on) + 6, bool), np.array([0, len(got_on), len(got_on) + 6])
    found = after_failures(np.array(got_on + short), end, offsets, context=1)
    first, second = np.split(found, [len(got_on) - 1])
    fell, again = range(6, 5 + STUCK + 2 + 1), range(len(got_on) - STUCK + 1, len(got_on))
    assert (np.flatnonzero(first) + 1).tolist() == [*fell, *again]  # numbered from the second observation on
    assert not second.any()
    end[-1] = True  # put out of the world: a failure, too
    put_out = after_failures(np.array(got_on + short), end, offsets, context=1)[len(first) :]
    assert (np.flatnonzero(put_out) + 1).tolist() == [5]


@pytest.mark.parametrize(("stuck", "chosen"), [(0.0, 20), (0.2, 30)])
def test_shares_of_the_moments_lie_before_and_after_failures(stuck: float, chosen: int, latents: LatentStore) -> None:
    got_on = np.ones(sum(LENGTHS), bool)
    got_on[3 + 5 :] = False  # in the middle episode, 5 decisions got on and 4 did not
    latents.end = np.zeros(sum(LENGTHS), bool)
    latents.end[11] = True
    memory = make_memory()
    plain, some = (
        make_moments(memory, latents, 50, seed=0, context=2, action_repeat=3, failures=failures)
        for failures in (None, Failures(before=0.4, stuck=stuck, got_on=got_on))
    )
    assert set(some.z[:20, 0].tolist()) == {102, 103, 104}
    assert set(some.z[20:chosen, 0].tolist()) == ({106, 107, 108} if stuck else set())
    assert torch.equal(some.z[chosen:], plain.z[chosen:])


def test_no_dream_begins_where_the_driver_was_lost(latents: LatentStore) -> None:
    lost = np.zeros(sum(LENGTHS), bool)
    lost[3 + 6 : 3 + 8] = True  # decisions 6 and 7 of the middle episode
    moments = make_moments(make_memory(), latents, 200, seed=0, context=4, action_repeat=3, lost=lost)
    assert set(moments.z[:, 0].tolist()) == {104, 105, 108, 204, 205}
    with pytest.raises(UserError, match=r"memory\.failures_end = false"):
        make_moments(make_memory(), latents, 5, seed=0, context=4, action_repeat=3, lost=np.ones_like(lost))


def test_moments_are_equally_likely(latents: LatentStore) -> None:
    moments = make_moments(make_memory(), latents, 7000, seed=1, context=4, action_repeat=3)
    counts = np.unique(moments.z[:, 0].numpy(), return_counts=True)[1]
    assert len(counts) == 7
    assert counts.min() > 850


def test_one_seed_draws_the_same_and_another_others(latents: LatentStore) -> None:
    first, same, other = (
        make_moments(make_memory(), latents, 30, seed=seed, context=2, action_repeat=3) for seed in (3, 3, 4)
    )
    assert torch.equal(first.z, same.z)
    assert torch.equal(first.state.h, same.state.h)
    assert not torch.equal(first.z, other.z)


def test_a_start_has_a_reward_and_so_a_decision_before_it(latents: LatentStore) -> None:
    moments = make_moments(make_memory(), latents, 100, seed=0, context=0, action_repeat=3)
    assert {int(z) for z in moments.z[:, 0]} == {1, 2, *range(101, 109), *range(201, 206)}
    assert all(rew == 10 * (z // 100) + z % 100 - 1 for z, rew in zip(moments.z[:, 0], moments.rew, strict=True))


def test_episodes_that_are_too_short_are_said(latents: LatentStore) -> None:
    with pytest.raises(UserError, match=r"no episode in .* has more than 9 decisions"):
        make_moments(make_memory(), latents, 5, seed=0, context=9, action_repeat=3)


def test_saved_and_loaded(latents: LatentStore, tmp_path: Path) -> None:
    memory = make_memory()
    save_memory(tmp_path / "memory.safetensors", memory)
    moments = make_moments(memory, latents, 5, seed=0, context=2, action_repeat=3)
    world = World(
        env_id="X",
        actions=BoxActions(low=(-1.0,), high=(2.0,), scaled=False),
        action_repeat=3,
        max_decisions=7,
        largest_return=LargestReturn(total=9.0, frame_cost=0.5),
    )
    save_moments(tmp_path / "dream.safetensors", moments, world, tmp_path / "memory.safetensors")
    loaded, found = load_moments(tmp_path / "dream.safetensors", tmp_path / "memory.safetensors")
    assert found == world
    assert torch.equal(loaded.z, moments.z)
    assert all(
        torch.equal(getattr(loaded, name), getattr(moments, name)) for name in ("rew", "earned", "frames", "held_out")
    )
    assert all(torch.equal(a, b) for a, b in zip(loaded.state, moments.state, strict=True))


def test_a_file_that_is_no_bank_or_an_older_one_is_refused(tiny_run: RunFolder) -> None:
    with pytest.raises(UserError, match="holds 'mdn_rnn' where 'dream' was expected"):
        load_moments(tiny_run.memory, tiny_run.memory)
    tensors, meta = checkpoint.load(tiny_run.dream)
    del meta["world"]["max_decisions"]
    checkpoint.save(tiny_run.dream, tensors, meta)
    with pytest.raises(
        UserError, match=r"dream.safetensors was written by another version .*`reverie memory .*--again`"
    ):
        load_moments(tiny_run.dream, tiny_run.memory)


def test_a_bank_says_which_version_wrote_it_and_one_that_does_not_is_read(tiny_run: RunFolder) -> None:
    tensors, meta = checkpoint.load(tiny_run.dream)
    assert meta["reverie"] == reverie.__version__
    checkpoint.save(tiny_run.dream, tensors, meta | {"reverie": "7.1.0", "world": {}})
    with pytest.raises(UserError, match=r"dream\.safetensors was written by reverie 7\.1\.0, and this is .* install"):
        load_moments(tiny_run.dream, tiny_run.memory)
    del meta["reverie"]
    checkpoint.save(tiny_run.dream, tensors, meta)
    assert len(load_moments(tiny_run.dream, tiny_run.memory)[0]) == len(tensors["z"])


def test_a_file_from_when_worlds_had_bounds_only_is_read_as_before(tiny_run: RunFolder) -> None:
    tensors, meta = checkpoint.load(tiny_run.dream)
    old = {key: meta["world"][key] for key in ("env_id", "action_repeat", "max_decisions")}
    for low, high, actions in (
        ([-1.0, 0.0, 0.0], [1.0, 1.0, 1.0], SteerGasBrake()),
        ([0.0, 2.0, -1.0], [1.0, 3.0, 1.0], BoxActions(low=(0.0, 2.0, -1.0), high=(1.0, 3.0, 1.0), scaled=False)),
    ):
        checkpoint.save(tiny_run.dream, tensors, meta | {"world": {**old, "action_low": low, "action_high": high}})
        world = load_moments(tiny_run.dream, tiny_run.memory)[1]
        assert world.actions == actions
        assert world.frames_per_second == 50


def test_a_bank_from_before_returns_were_counted_begins_at_nothing_and_has_no_bound() -> None:
    moments, world = load_moments(*(agent_folder("pretrained") / name for name in (DREAM, MEMORY)))
    assert world.largest_return is None
    assert moments.earned.shape == moments.frames.shape == (len(moments),)
    assert not moments.earned.any()
    assert not moments.frames.any()


def test_what_does_not_belong_together_is_refused(tiny_run: RunFolder) -> None:
    folder = tiny_run.path
    load_dreams(folder)
    other = load_memory(tiny_run.memory)
    with torch.no_grad():
        other.head.bias.add_(1)
    shutil.copy(tiny_run.memory, folder / "kept.safetensors")
    shutil.copy(folder / "memory.json", folder / "kept.json")
    save_memory(tiny_run.memory, other)
    with pytest.raises(UserError, match=re.escape(f"{tiny_run.dream} was made with another M than {tiny_run.memory}")):
        load_dreams(folder)
    save_memory(tiny_run.memory, other, vision_sha256="0" * 64)
    with pytest.raises(UserError, match=re.escape(f"{tiny_run.memory} learned from another V than {tiny_run.vision}")):
        load_models(folder)
    shutil.move(folder / "kept.safetensors", tiny_run.memory)
    shutil.move(folder / "kept.json", folder / "memory.json")
    tiny_run.dream.unlink()
    with pytest.raises(UserError, match=r"dream.safetensors is missing.*`reverie memory --run .* --again`"):
        load_dreams(folder)
