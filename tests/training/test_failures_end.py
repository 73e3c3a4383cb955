"""What M is fitted on where it takes a failure for an end."""

from dataclasses import replace

import numpy as np
import pytest

from reverie.data.latents import LatentStore
from reverie.dream.moments import load_moments
from reverie.metrics import Metrics
from reverie.models.files import MEMORY
from reverie.models.mdn_rnn import Memory
from reverie.run.folder import RunFolder
from reverie.training import memory
from reverie.training.memory import lost_decisions, train_memory
from reverie.types import LossAndMetrics, SequenceBatch


def test_what_comes_after_a_failure_is_neither_learned_nor_dreamt_of(
    tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but the first 4 decisions of each episode is lost: M learns of those, the last of which are ends."""
    latents, context = LatentStore(tiny_run.latents), 2
    place = np.concatenate([np.arange(num) for num in np.diff(latents.decision_offsets)])
    learned, ends = [], []
    original = Memory.loss

    def loss(self: Memory, batch: SequenceBatch) -> LossAndMetrics:
        learned.append(batch.z[:, :-1][batch.mask > 0].numpy())
        ends.append(batch.z[:, :-1][batch.end > 0].numpy())
        return original(self, batch)

    monkeypatch.setattr(Memory, "loss", loss)
    monkeypatch.setattr(memory, "lost_decisions", lambda *_: place >= 4)
    monkeypatch.setattr(memory, "context_of", lambda _: context)
    tiny_run.forget("memory")
    stage = replace(tiny_run.config.memory, failures_end=True, latent_noise=0.0, mirror=False)
    tiny_run.config = replace(tiny_run.config, memory=stage)
    with Metrics(tiny_run.path, tensorboard=False) as metrics:
        train_memory(tiny_run, metrics, quiet=True)
    rows = {
        row.tobytes(): i for i, row in enumerate(np.delete(latents.mu, latents.offsets[1:] - 1, 0).astype(np.float32))
    }
    assert {int(place[rows[z.tobytes()]]) for batch in learned for z in batch} == {0, 1, 2, 3}
    assert {int(place[rows[z.tobytes()]]) for batch in ends for z in batch} == {3}
    moments, _ = load_moments(tiny_run.dream, tiny_run.path / MEMORY)
    assert {int(place[rows[z.numpy().tobytes()]]) for z in moments.z} == {2, 3}


def test_who_stands_for_a_dozen_decisions_is_lost_in_the_words_of_the_world(tiny_run: RunFolder) -> None:
    latents = LatentStore(tiny_run.latents)
    second = latents.decision_offsets[1]
    latents.rew = np.full(latents.num_decisions, 1.0, np.float32)
    latents.end = np.zeros(latents.num_decisions, bool)
    latents.rew[second - 1], latents.end[second - 1] = -1.0, True  # put out of the world
    assert np.flatnonzero(lost_decisions(latents, tiny_run.config.env)).tolist() == [second - 1]
