"""The recurrence, the likelihood and the size of M."""

import math

import pytest
import torch

from reverie.models.mdn_rnn import Memory, MemoryConfig
from reverie.types import SequenceBatch


def make_memory(**kwargs) -> Memory:
    torch.manual_seed(0)
    return Memory(MemoryConfig(hidden_size=12, num_mixtures=3, **kwargs), z_size=4, action_size=3)


def make_batch(b: int = 3, t: int = 7) -> SequenceBatch:
    draw = torch.Generator().manual_seed(1)
    z, act = torch.randn(b, t + 1, 4, generator=draw), torch.randn(b, t, 3, generator=draw)
    rew, mask = torch.randn(b, t, generator=draw), torch.ones(b, t)
    prev_rew = torch.cat([torch.zeros(b, 1), rew[:, :-1]], 1)
    return SequenceBatch(z=z, act=act, rew=rew, prev_rew=prev_rew, end=torch.zeros(b, t), mask=mask)


@pytest.mark.parametrize("reward_input", [False, True])
def test_forward_equals_repeated_steps(reward_input: bool) -> None:
    memory, batch = make_memory(reward_input=reward_input), make_batch()
    hidden, last = memory(batch.z[:, :-1], batch.act, batch.prev_rew)
    state = memory.initial_state(3)
    for t in range(7):
        state = memory.step(batch.z[:, t], batch.act[:, t], state, batch.prev_rew[:, t])
        torch.testing.assert_close(state.h, hidden[:, t], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(state.h, last.h, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(state.c, last.c, rtol=1e-5, atol=1e-6)


def test_forward_continues_from_a_state() -> None:
    memory, batch = make_memory(), make_batch()
    whole, _ = memory(batch.z[:, :-1], batch.act)
    _, middle = memory(batch.z[:, :4], batch.act[:, :4])
    rest, _ = memory(batch.z[:, 4:-1], batch.act[:, 4:], state=middle)
    torch.testing.assert_close(rest, whole[:, 4:])


def test_the_lstm_has_one_bias_and_the_zero_one_is_not_trained() -> None:
    memory = make_memory()
    names = [name for name, _ in memory.named_parameters()]
    assert [name for name in names if "bias" in name] == ["lstm.bias_ih_l0", "head.bias"]
    assert not any("bias_hh" in key for key in memory.state_dict())
    memory.loss(make_batch())[0].backward()
    assert memory.lstm.bias_hh_l0.grad is None


def test_loss_is_the_mean_negative_log_density_of_the_next_latents() -> None:
    memory, batch = make_memory(reward_head="none", end_head=False), make_batch()
    loss, metrics = memory.loss(batch)
    hidden, _ = memory(batch.z[:, :-1], batch.act)
    log_prob = memory.predict(hidden).z.log_prob(batch.z[:, 1:])
    assert loss.item() == pytest.approx(-log_prob.mean().item(), rel=1e-6)
    assert set(metrics) == {"loss", "loss_z"}


def test_what_the_mask_hides_changes_nothing() -> None:
    memory, batch = make_memory(), make_batch()
    batch.mask[1, 4:] = 0
    before = memory.loss(batch)[0].item()
    batch.z[1, 5:] = 99
    batch.rew[1, 4:] = -99
    batch.end[1, 4:] = 1
    assert memory.loss(batch)[0].item() == pytest.approx(before, rel=1e-6)
    batch.z[1, 4] = 99
    assert memory.loss(batch)[0].item() != pytest.approx(before, rel=1e-3)


def test_reward_of_the_value_head_is_in_the_units_of_the_environment() -> None:
    memory = make_memory(reward_head="value", reward_scale=10.0, end_head=False)
    with torch.no_grad():
        memory.head.weight.zero_()
        memory.head.bias.zero_()
        memory.head.bias[-1] = 0.25
    reward = memory.predict(torch.zeros(2, 12)).reward
    torch.testing.assert_close(reward, torch.full((2,), 2.5))


def test_sign_head_is_the_logit_of_a_positive_reward() -> None:
    memory, batch = make_memory(reward_head="sign", end_head=False), make_batch()
    with torch.no_grad():
        memory.head.weight[-1].zero_()
        memory.head.bias[-1] = 0.0
    assert memory.loss(batch)[1]["loss_reward"].item() == pytest.approx(math.log(2), rel=1e-6)


def test_learns_a_deterministic_rule_that_needs_memory() -> None:
    """z_t+1 = action of the step before: a model without memory, or one fed the wrong action, cannot reach this."""
    torch.manual_seed(0)
    memory = Memory(MemoryConfig(hidden_size=24, num_mixtures=1, reward_head="none", end_head=False), 1, 1)
    optimizer = torch.optim.Adam(memory.parameters(), lr=1e-2)
    draw = torch.Generator().manual_seed(2)
    loss = torch.tensor(0.0)
    for _ in range(250):
        act = torch.sign(torch.randn(32, 10, 1, generator=draw))
        z = torch.cat([torch.zeros(32, 2, 1), act[:, :-1]], 1) + 0.1 * torch.randn(32, 11, 1, generator=draw)
        zeros = torch.zeros(32, 10)
        batch = SequenceBatch(z=z, act=act, rew=zeros, prev_rew=zeros, end=zeros, mask=torch.ones(32, 10))
        loss, _ = memory.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    noise_entropy = 0.5 * math.log(2 * math.pi * math.e * 0.01)
    assert loss.item() < noise_entropy + 0.3
