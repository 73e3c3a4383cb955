"""Latents come back in their places, survive kills, and are refused when incomplete or damaged."""

import errno
import os

import numpy as np
import pytest

from reverie.data.latents import LOGVAR_RANGE, LatentStore, LatentWriter
from reverie.errors import UserError

LENGTHS = [3, 1, 5, 2]
Z = 4


def latents_of(number, t):
    """mu: number in column 0, observation in column 1; log-variance: minus the number."""
    mu = np.zeros((t + 1, Z), np.float32)
    mu[:, 0], mu[:, 1] = number, np.arange(t + 1)
    return mu, np.full((t + 1, Z), -number, np.float32)


@pytest.fixture
def writer(tmp_path):
    def make(meta=None, **kwargs):
        n = sum(LENGTHS) + len(LENGTHS)
        return LatentWriter(tmp_path / "latents", n, len(LENGTHS), Z, 2, meta or {"vision": "abc"}, **kwargs)

    return make


@pytest.fixture
def append(make_episode):
    def add(writer, *numbers):
        for i in numbers:
            writer.append(*latents_of(i, LENGTHS[i]), make_episode(i, LENGTHS[i], end=i != 2))

    return add


def test_round_trip(writer, append):
    with writer() as w:
        append(w, 0, 1, 2, 3)
    store = LatentStore(w.folder)
    store.verify()
    assert store.meta == {"vision": "abc"}
    assert (len(store), store.num_observations, store.num_decisions) == (4, 15, 11)
    assert (store.z_size, store.a_size) == (Z, 2)
    assert store.offsets.tolist() == [0, 4, 6, 12, 15]
    assert store.decision_offsets.tolist() == [0, 3, 4, 9, 11]
    assert store.mu[:, 0].tolist() == [0] * 4 + [1] * 2 + [2] * 6 + [3] * 3
    assert store.mu[:, 1].tolist() == [0, 1, 2, 3, 0, 1, 0, 1, 2, 3, 4, 5, 0, 1, 2]
    assert store.rew.tolist() == [0, 1, 2, 100, 200, 201, 202, 203, 204, 300, 301]
    assert (store.act == np.stack([store.rew, -store.rew], 1)).all()
    assert np.flatnonzero(store.end).tolist() == [2, 3, 10]
    assert store.mu.dtype == store.logvar.dtype == np.float16


@pytest.mark.parametrize("flush_every", [1, 2, 3, 50])
def test_a_killed_writer_continues(writer, append, flush_every):
    whole = writer()
    append(whole, 0, 1, 2, 3)
    whole.close()
    expected = {path.name: path.read_bytes() for path in whole.folder.iterdir()}
    for path in whole.folder.iterdir():
        path.unlink()

    killed = writer(flush_every=flush_every)
    append(killed, 0, 1, 2)
    del killed
    assert not LatentStore.is_complete(whole.folder)
    again = writer(flush_every=flush_every)
    assert again.num_written == 3 // flush_every * flush_every
    append(again, *range(again.num_written, 4))
    again.close()
    assert {path.name: path.read_bytes() for path in whole.folder.iterdir()} == expected


def test_an_interrupted_writer_keeps_what_it_has(writer, append):
    with pytest.raises(KeyboardInterrupt), writer() as w:  # noqa: PT012  (the exception is the point)
        append(w, 0, 1)
        raise KeyboardInterrupt
    assert writer().num_written == 2


def test_other_arguments_begin_afresh(writer, append):
    with writer() as w:
        append(w, 0, 1)
    assert not LatentStore.is_complete(w.folder)
    assert writer({"vision": "other"}).num_written == 0


def test_a_complete_folder_is_not_complete_while_it_is_rewritten(writer, append):
    with writer() as w:
        append(w, 0, 1, 2, 3)
    old = LatentStore(w.folder)
    w = writer({"vision": "other"})
    append(w, 0)
    with pytest.raises(UserError, match="no complete latents: encode the episodes first"):
        LatentStore(w.folder)
    assert old.mu[:, 0].sum() == 2 + 12 + 9  # a reader keeps what it had open


def test_too_few_or_too_many(writer, append, make_episode):
    w = writer()
    append(w, 0, 1, 2)
    with pytest.raises(ValueError, match="ends at observation 16, but 15 were announced"):
        w.append(*latents_of(3, 3), make_episode(3, 3))
    w.append(*latents_of(3, 1), make_episode(3, 1))
    with pytest.raises(ValueError, match="15 observations were announced, but 14 written"):
        w.close()
    with pytest.raises(ValueError, match="all 4 episodes are written already"):
        append(w, 3)
    with pytest.raises(UserError, match="no episodes to encode"):
        LatentWriter(w.folder, 0, 0, Z, 2, {})


def test_wrong_shapes(writer, make_episode):
    with pytest.raises(ValueError, match=r"must be \(4, 4\), not \(3, 4\)"):
        writer().append(*latents_of(0, 2), make_episode(0, 3))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e5, -1e5])
def test_unusable_mu(writer, make_episode, value):
    mu, logvar = latents_of(0, 3)
    mu[1, 2] = value
    with pytest.raises(UserError, match="unusable latents for episode 0"):
        writer().append(mu, logvar, make_episode(0, 3))


def test_logvar_stays_in_range(writer, make_episode, append):
    w = writer()
    mu, _ = latents_of(0, 3)
    logvar = np.array([-1e6, -20.5, 3, 1e6], np.float32)[:, None].repeat(Z, 1)
    w.append(mu, logvar, make_episode(0, 3))
    append(w, 1, 2, 3)
    w.close()
    store = LatentStore(w.folder)
    assert store.logvar[:4, 0].tolist() == [LOGVAR_RANGE[0], LOGVAR_RANGE[0], 3, LOGVAR_RANGE[1]]
    std = np.exp(store.logvar[:4].astype(np.float32) / 2)
    assert np.isfinite(std).all()
    assert (std > 0).all()


def test_half_precision_is_enough():
    """The error that float16 adds to mu is under a hundredth of a narrow Gaussian's width."""
    mu = np.random.default_rng(0).normal(0, 2, 10_000).astype(np.float32)
    assert np.abs(mu.astype(np.float16) - mu).max() < 0.01 * np.exp(-1.5 / 2)


def test_what_the_system_refuses_is_not_called_damaged(writer, append, monkeypatch):
    with writer() as w:
        append(w, 0, 1, 2, 3)

    def refuses(*_):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(np, "memmap", refuses)
        with pytest.raises(UserError, match=r"^cannot read .*mu\.npy: Too many open files; check the path"):
            LatentStore(w.folder)
    assert len(LatentStore(w.folder)) == len(LENGTHS)


@pytest.mark.parametrize("name", ["mu.npy", "act.npy", "offsets.npy"])
def test_damage(writer, append, name):
    with writer() as w:
        append(w, 0, 1, 2, 3)
    path = w.folder / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    if name != "offsets.npy":
        store = LatentStore(w.folder)
        with pytest.raises(UserError, match=rf"{name} is damaged .* encode again"):
            store.verify()
    for broken in [data[: len(data) // 2], b""]:
        path.write_bytes(broken)
        with pytest.raises(UserError, match="damaged"):
            LatentStore(w.folder)
    path.unlink()
    with pytest.raises(UserError, match=rf"{name} does not exist: .* encode again"):
        LatentStore(w.folder)


def test_a_file_of_other_latents(writer, append):
    with writer() as w:
        append(w, 0, 1, 2, 3)
    np.save(w.folder / "mu.npy", np.zeros((15, Z + 1), np.float16))
    with pytest.raises(UserError, match=r"mu\.npy is damaged \(it is \(15, 5\) <f2, not \(15, 4\) <f2\)"):
        LatentStore(w.folder)
