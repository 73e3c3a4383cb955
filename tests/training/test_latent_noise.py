"""What M reads while it is fitted: latents drawn from what V holds possible, or their means."""

from dataclasses import replace

import numpy as np
import pytest

from reverie.data.latents import LatentStore
from reverie.metrics import Metrics
from reverie.models.mdn_rnn import Memory
from reverie.run.folder import RunFolder
from reverie.training.memory import train_memory
from reverie.types import LossAndMetrics, SequenceBatch


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_without_noise_m_reads_what_the_agent_sees(
    tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch, noise: float
) -> None:
    """Every latent of every batch is then one of the stored means; of those drawn from a Gaussian, none is."""
    read = []
    original = Memory.loss

    def loss(self: Memory, batch: SequenceBatch) -> LossAndMetrics:
        read.append(batch.z[:, :-1][batch.mask > 0].numpy())
        return original(self, batch)

    monkeypatch.setattr(Memory, "loss", loss)
    tiny_run.forget("memory")
    tiny_run.config = replace(tiny_run.config, memory=replace(tiny_run.config.memory, latent_noise=noise))
    with Metrics(tiny_run.path, tensorboard=False) as metrics:
        train_memory(tiny_run, metrics, quiet=True)
    means = {row.tobytes() for row in LatentStore(tiny_run.latents).mu.astype(np.float32)}
    are_means = [row.tobytes() in means for batch in read for row in batch]
    assert len(are_means) > 100
    assert not any(are_means) if noise else all(are_means)
