"""Batches are pure in the step, cover what they should, and line up."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reverie.data.batches import FrameCache, FrameSampler, SequenceSampler
from reverie.data.latents import LatentStore, LatentWriter
from reverie.data.store import EpisodeStore, pack_episode
from reverie.errors import UserError


def fill(store, make_episode, lengths):
    for t in lengths:
        store.append(pack_episode(len(store), make_episode(len(store), t), 0))
    return store


@pytest.fixture
def store(tmp_path, make_episode):
    return fill(EpisodeStore(tmp_path / "rollouts"), make_episode, [3, 1, 5])


def test_cache_holds_every_frame(store, tmp_path):
    done = []
    cache = FrameCache(store, tmp_path / "cache" / "frames.npy", done.append)
    assert done == [4, 6, 12]
    assert cache.frames.shape == (12, 64, 64, 3)
    assert not cache.frames.flags.writeable
    for i in range(3):
        assert (cache.frames[cache.offsets[i] : cache.offsets[i + 1]] == store[i].obs).all()
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["frames.json", "frames.npy"]


def test_cache_is_built_once_and_again_when_the_store_grew(store, tmp_path, make_episode):
    done = []
    for _ in range(2):
        FrameCache(store, tmp_path / "frames.npy", done.append)
    assert done == [4, 6, 12]
    fill(store, make_episode, [2])
    cache = FrameCache(store, tmp_path / "frames.npy", done.append)
    assert len(cache.frames) == 15
    assert done[3:] == [4, 6, 12, 15]


@pytest.mark.parametrize("keep", [0, -20])
@pytest.mark.parametrize("name", ["frames.npy", "frames.json"])
def test_a_damaged_cache_is_rebuilt(store, tmp_path, name, keep):
    FrameCache(store, tmp_path / "frames.npy")
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:keep])
    cache = FrameCache(store, tmp_path / "frames.npy")
    assert (cache.frames[4:6] == store[1].obs).all()


def test_a_cache_with_another_frame_in_it_is_rebuilt(store, tmp_path):
    """A bit that a disk has lost, or a file of another run: V would learn it without a word."""
    FrameCache(store, tmp_path / "frames.npy")
    with (tmp_path / "frames.npy").open("r+b") as file:
        file.seek(-5 * 64 * 64 * 3, 2)
        file.write(bytes(64 * 64 * 3))
    done = []
    cache = FrameCache(store, tmp_path / "frames.npy", done.append)
    assert done == [4, 6, 12]
    assert (cache.frames[6:] == store[2].obs).all()


def test_a_killed_build_leaves_no_cache(store, tmp_path):
    def kill(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FrameCache(store, tmp_path / "frames.npy", kill)
    assert not (tmp_path / "frames.npy").exists()
    assert len(FrameCache(store, tmp_path / "frames.npy").frames) == 12


def test_cache_of_nothing(tmp_path):
    with pytest.raises(UserError, match="holds no episodes: collect some first"):
        FrameCache(EpisodeStore(tmp_path / "none"), tmp_path / "frames.npy")


def test_cache_in_a_place_that_cannot_be_written(store, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot"):
        FrameCache(store, tmp_path / "file" / "frames.npy")


@settings(max_examples=25)
@given(st.integers(1, 40), st.integers(1, 8), st.integers(0, 5))
def test_an_epoch_sees_no_frame_twice(num, size, epoch):
    if num < size:
        return
    sampler = FrameSampler(np.arange(num), size, seed=1)
    assert sampler.steps_per_epoch == num // size
    steps = range(epoch * sampler.steps_per_epoch, (epoch + 1) * sampler.steps_per_epoch)
    numbers = [number for step in steps for number in sampler.batch(step).tolist()]
    assert len(set(numbers)) == len(numbers) == num // size * size


def test_frames_are_pure_in_the_step():
    rows = np.arange(20)
    forward = FrameSampler(rows, 6, seed=1)
    batches = [forward.batch(step).tolist() for step in range(9)]
    fresh = FrameSampler(rows, 6, seed=1)
    assert [fresh.batch(step).tolist() for step in reversed(range(9))] == batches[::-1]
    first, second = ({number for batch in batches[i : i + 3] for number in batch} for i in (0, 3))
    assert first != second  # epochs leave out other frames
    other = FrameSampler(rows, 6, seed=2)
    assert [other.batch(step).tolist() for step in range(9)] != batches


def test_too_few_frames_for_a_batch():
    with pytest.raises(UserError, match="4 frames do not fill a batch of 5"):
        FrameSampler(np.arange(4), 5, seed=0)


@pytest.fixture
def make_latents(tmp_path_factory, make_episode):
    def make(lengths, logvar=-20.0, z=2):
        """mu: the episode's number, then the observation's; nearly no noise."""
        n = sum(lengths) + len(lengths)
        with LatentWriter(tmp_path_factory.mktemp("latents"), n, len(lengths), z, 2, {}) as writer:
            for i, t in enumerate(lengths):
                mu = np.zeros((t + 1, z), np.float32)
                mu[:, 0], mu[:, 1] = i, np.arange(t + 1)
                writer.append(mu, np.full_like(mu, logvar), make_episode(i, t, end=i % 2 == 0))
        return LatentStore(writer.folder)

    return make


@settings(max_examples=40)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(1, 7), st.integers(0, 1000))
def test_windows_line_up(make_latents, lengths, t, step):
    """Every number in a batch follows from the episode and the place that z names."""
    batch = SequenceSampler(make_latents(lengths), 8, t, seed=3).batch(step)
    assert batch.z.shape == (8, t + 1, 2)
    assert batch.act.shape == (8, t, 2)
    for row in range(8):
        number, start = (round(float(x)) for x in batch.z[row, 0])
        valid = min(t, lengths[number])
        assert start + valid <= lengths[number]
        assert batch.mask[row].tolist() == [1] * valid + [0] * (t - valid)
        for i in range(t + 1):
            expected = [number, start + i] if i <= valid else [0, 0]
            assert batch.z[row, i].tolist() == pytest.approx(expected, abs=1e-3)
        for i in range(t):
            rew = 100 * number + start + i if i < valid else 0
            assert batch.rew[row, i] == rew
            assert batch.act[row, i].tolist() == [rew, -rew]
            assert batch.prev_rew[row, i] == (rew - 1 if i < valid and start + i > 0 else 0)
            assert batch.end[row, i] == (number % 2 == 0 and start + i == lengths[number] - 1)
    assert {getattr(batch, name).dtype for name in ("z", "act", "rew", "prev_rew", "end", "mask")} == {torch.float32}


def test_episodes_are_drawn_in_proportion_to_length(make_latents):
    batch = SequenceSampler(make_latents([1, 3, 6]), 6000, 1, seed=0).batch(0)
    numbers = batch.z[:, 0, 0].round().int()
    shares = numbers.bincount(minlength=3) / 6000
    assert shares.tolist() == pytest.approx([0.1, 0.3, 0.6], abs=0.03)
    starts = batch.z[numbers == 2, 0, 1].round().int()
    assert (starts.bincount(minlength=6) / len(starts)).tolist() == pytest.approx([1 / 6] * 6, abs=0.03)


def test_ends_are_seen_as_often_as_other_decisions_and_at_any_place_of_a_window(make_latents):
    latents, t = make_latents([40]), 8

    def batch_and_shares(*, to_ends: bool):
        """Of windows, those with the last decision, and those with one in the middle."""
        batch = SequenceSampler(latents, 20_000, t, seed=0, to_ends=to_ends).batch(0)
        starts = batch.z[:, 0, 1].round()
        return batch, [float(((starts <= at) & (at < starts + t)).float().mean()) for at in (39, 20)]

    assert batch_and_shares(to_ends=False)[1] == pytest.approx([1 / 33, 8 / 33], abs=0.015)
    batch, shares = batch_and_shares(to_ends=True)
    assert shares == pytest.approx([8 / 40, 8 / 40], abs=0.015)
    # who could tell from the place whether the end is near would not have to look
    assert batch.end.mean(0).tolist() == pytest.approx([1 / 40] * t, abs=0.005)
    ends = batch.end.sum(1) > 0
    assert torch.equal(batch.mask[ends].sum(1), batch.end[ends].argmax(1) + 1.0)
    assert (batch.mask[~ends] == 1).all()


@pytest.mark.parametrize("share", [1.0, 0.4, 0.0])
def test_z_is_drawn_from_the_gaussian(make_latents, share):
    latents = make_latents([50], logvar=np.log(0.25), z=8)
    batch = SequenceSampler(latents, 500, 20, seed=0, latent_noise=share).batch(0)
    noise = batch.z[..., 2:]  # where mu is 0
    assert float(noise.mean()) == pytest.approx(0, abs=0.01)
    assert float(noise.std()) == pytest.approx(0.5 * share, abs=0.01)


def test_sequences_are_pure_in_the_step(make_latents):
    latents = make_latents([5, 9], logvar=0.0)
    first = SequenceSampler(latents, 4, 3, seed=1)
    batches = [first.batch(step).z for step in range(4)]
    again = SequenceSampler(latents, 4, 3, seed=1)
    for step in reversed(range(4)):
        assert torch.equal(again.batch(step).z, batches[step])
    assert not torch.equal(batches[0], batches[1])
    assert not torch.equal(SequenceSampler(latents, 4, 3, seed=2).batch(0).z, batches[0])


def test_only_the_chosen_episodes(make_latents):
    latents = make_latents([5, 2, 9, 4])
    sampler = SequenceSampler(latents, 200, 2, seed=1, episodes=[1, 3])
    assert set(sampler.batch(0).z[:, 0, 0].round().int().tolist()) == {1, 3}
    with pytest.raises(UserError, match="no episodes"):
        SequenceSampler(latents, 2, 2, seed=1, episodes=[])


def test_batch_moves_to_a_device(make_latents):
    batch = SequenceSampler(make_latents([5]), 2, 3, seed=0).batch(0).each(lambda part: part.to("meta"))
    assert batch.z.device.type == batch.mask.device.type == "meta"


def test_frames_of_some_episodes(store):
    rows = store.rows_of([0, 2])
    sampler = FrameSampler(rows, 5, seed=1)
    assert sampler.steps_per_epoch == 2
    assert sorted(number for step in range(2) for number in sampler.batch(step).tolist()) == rows.tolist()


def test_the_newest_episodes_have_a_share_of_their_own(make_latents):
    latents = make_latents([40, 40, 10])
    newest = {"newest": 0.5, "num_newest": 1}
    batch = SequenceSampler(latents, 4000, 1, seed=0, episodes=[0, 2], **newest).batch(0)
    plain = SequenceSampler(latents, 4000, 1, seed=0, episodes=[0, 2]).batch(0)
    shares = [float((some.z[:, 0, 0].round() == 2).float().mean()) for some in (batch, plain)]
    assert shares == pytest.approx([0.5 + 0.5 * 10 / 50, 10 / 50], abs=0.04)
    none = SequenceSampler(latents, 4000, 1, seed=0, episodes=[0, 2], newest=0.0, num_newest=1).batch(0)
    assert torch.equal(none.z, plain.z)
    only = SequenceSampler(latents, 50, 1, seed=0, episodes=[2], **newest).batch(0)
    assert (only.z[:, 0, 0].round() == 2).all()


def test_an_episode_is_over_for_m_where_its_driver_fails(make_latents):
    """Of 40 decisions those from 10 to 24 are lost, and the last five; the episode's own end lies among those."""
    latents, t = make_latents([40, 30]), 8
    lost = np.zeros(70, bool)
    lost[10:25] = lost[35:40] = True
    plain = SequenceSampler(latents, 500, t, seed=0).batch(0)
    batch = SequenceSampler(latents, 500, t, seed=0, lost=lost).batch(0)
    for name in ("z", "act", "rew", "prev_rew"):  # M still reads what came
        assert torch.equal(getattr(batch, name), getattr(plain, name))
    number, at = batch.z[:, :t, 0].round(), batch.z[:, :t, 1].round()
    first = number == 0
    is_lost = first & (((at >= 10) & (at < 25)) | (at >= 35))
    assert torch.equal(batch.mask, (~is_lost).float())
    assert torch.equal(batch.end, (first & ((at == 9) | (at == 34))).float())
    assert batch.end.sum() > 0
    assert not torch.equal(plain.end, batch.end)


def test_a_failure_of_the_next_episode_ends_none_before_it(make_latents):
    lost = np.array([False] * 5 + [True] * 2 + [False] * 3)
    batch = SequenceSampler(make_latents([5, 5]), 100, 5, seed=0, episodes=[0], lost=lost).batch(0)
    assert batch.end.tolist() == [[0.0] * 4 + [1.0]] * 100  # its own
    assert (batch.mask == 1).all()
