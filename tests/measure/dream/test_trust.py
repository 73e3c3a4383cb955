"""How long a dream can be trusted, by memories whose answer is known."""

from typing import cast

import pytest
import torch
from torch import Tensor

import reverie.measure.dream.trust as trust
from reverie.dream.replay import Dream
from reverie.models.mdn_rnn import Memory

DRIVES, STEPS, LENGTH = 6, 30, 10
BEGINS = (4, 8, 12)


@pytest.fixture
def driven() -> tuple[Tensor, Tensor, Tensor]:
    """Latents that wander (n, t + 1, z), actions and rewards."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(DRIVES, STEPS + 1, 4, generator=generator).cumsum(1)
    return z, torch.zeros(DRIVES, STEPS, 2), torch.zeros(DRIVES, STEPS)


def measured(monkeypatch: pytest.MonkeyPatch, driven: tuple[Tensor, Tensor, Tensor], errors: Tensor) -> trust.Trust:
    """Of a memory whose dreams are off by `errors` (t,) in every number."""
    real = driven[0]

    def replay(_: object, z: Tensor, act: Tensor, **rest: object) -> Dream:  # noqa: ARG001
        seen, end = z.shape[1], act.shape[1]
        dreamt = real[:, seen : end + 1] + errors[: end + 1 - seen, None]
        return Dream(torch.cat([z, dreamt], 1), None, None)

    monkeypatch.setattr(trust, "replay", replay)
    return trust.measure_trust(cast("Memory", None), *driven, begins=BEGINS, length=LENGTH)


def test_a_memory_that_knows_all_is_trusted_for_as_long_as_was_measured(monkeypatch, driven):
    found = measured(monkeypatch, driven, torch.zeros(LENGTH))
    assert found.decisions == LENGTH
    assert found.is_open
    assert found.dream == pytest.approx((0.0,) * LENGTH, abs=1e-6)


def test_trust_ends_where_a_guess_is_as_good(monkeypatch, driven):
    found = measured(monkeypatch, driven, torch.tensor([0.0] * 4 + [100.0] + [0.0] * 5))
    assert found.decisions == 4  # what comes right again later does not count
    assert not found.is_open
    assert found.dream[4] == pytest.approx(100.0)


def test_a_memory_that_says_that_all_stays_as_it_was_is_not_trusted(monkeypatch, driven):
    def still(_: object, z: Tensor, act: Tensor, **rest: object) -> Dream:  # noqa: ARG001
        more = act.shape[1] + 1 - z.shape[1]
        return Dream(torch.cat([z, z[:, -1:].expand(-1, more, -1)], 1), None, None)

    monkeypatch.setattr(trust, "replay", still)
    found = trust.measure_trust(cast("Memory", None), *driven, begins=BEGINS, length=LENGTH)
    assert found.decisions == 0
    assert found.dream == found.still


def test_the_guesses_are_those_that_know_nothing(monkeypatch, driven):
    found = measured(monkeypatch, driven, torch.zeros(LENGTH))
    z = driven[0]
    last = torch.stack([(z[:, b + 3] - z[:, b]).square().mean() for b in BEGINS]).mean().sqrt()
    usual = torch.stack([(z[:, b + 3] - z.mean((0, 1))).square().mean() for b in BEGINS]).mean().sqrt()
    assert found.still[2] == pytest.approx(float(last), rel=1e-5)
    assert found.usual[2] == pytest.approx(float(usual), rel=1e-5)


def test_one_drive_proves_nothing(monkeypatch, driven):
    z, act, rew = (part[:1] for part in driven)
    assert measured(monkeypatch, (z, act, rew), torch.zeros(LENGTH)).decisions == 0
