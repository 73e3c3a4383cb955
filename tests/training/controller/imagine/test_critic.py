"""The critic learns an expectation, whatever the shape of the distribution, and its copy follows slowly."""

import pytest
import torch

from reverie.run.imagine import CriticConfig
from reverie.training.controller.imagine.critic import Critic


def test_it_knows_nothing_at_first() -> None:
    critic = Critic(CriticConfig(hidden_size=8), 3)
    values = critic.value(critic.net(torch.randn(5, 3)))
    torch.testing.assert_close(values, torch.zeros(5), atol=0.02, rtol=0)


def test_it_learns_the_mean_of_what_it_cannot_tell_apart() -> None:
    rng = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    critic = Critic(CriticConfig(hidden_size=16, slow=1.0), 1)
    optimizer = torch.optim.Adam(critic.net.parameters(), 0.01)
    features = torch.tensor([[-1.0], [1.0]])
    for _ in range(400):
        is_rich = torch.rand(64, generator=rng) < 0.25
        returns = torch.stack([torch.where(is_rich, 900.0, 100.0), torch.full((64,), -40.0)], 1)
        rows = features.expand(64, 2, 1)
        loss = critic.loss(critic.net(rows), returns, rows).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        critic.follow()
    poor_or_rich, poor = critic.value(critic.net(features)).tolist()
    assert poor_or_rich == pytest.approx(300, rel=0.2)
    assert poor == pytest.approx(-40, rel=0.1)


def test_the_slow_copy_takes_over_its_share() -> None:
    critic = Critic(CriticConfig(hidden_size=4, slow=0.25), 2)
    with torch.no_grad():
        for weight in critic.net.parameters():
            weight.add_(1.0)
    before = [weight.clone() for weight in critic.slow_net.parameters()]
    critic.follow()
    for slow, old in zip(critic.slow_net.parameters(), before, strict=True):
        torch.testing.assert_close(slow, old + 0.25)
    assert not any(weight.requires_grad for weight in critic.slow_net.parameters())
