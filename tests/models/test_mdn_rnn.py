"""The recurrence, the likelihood and the size of M."""

import math
from contextlib import AbstractContextManager, nullcontext

import pytest
import torch

from reverie.devices import recurrent
from reverie.models.mdn_rnn import Memory, MemoryConfig
from reverie.models.rewards import RewardConfig, RewardHead
from reverie.models.two_hot import two_hot
from reverie.types import SequenceBatch

NO_REWARD = RewardConfig(head="none")


def make_memory(**kwargs) -> Memory:
    torch.manual_seed(0)
    return Memory(MemoryConfig(hidden_size=12, num_mixtures=3, **kwargs), z_size=4, action_size=3)


def make_batch(b: int = 3, t: int = 7) -> SequenceBatch:
    draw = torch.Generator().manual_seed(1)
    z, act = torch.randn(b, t + 1, 4, generator=draw), torch.randn(b, t, 3, generator=draw)
    rew, mask = torch.randn(b, t, generator=draw), torch.ones(b, t)
    prev_rew = torch.cat([torch.zeros(b, 1), rew[:, :-1]], 1)
    return SequenceBatch(z=z, act=act, rew=rew, prev_rew=prev_rew, end=torch.zeros(b, t), mask=mask)


@pytest.mark.parametrize("config", [{}, {"reward_input": True}, {"num_layers": 2}])
def test_forward_equals_repeated_steps(config: dict) -> None:
    memory, batch = make_memory(**config), make_batch()
    hidden, last = memory(batch.z[:, :-1], batch.act, batch.prev_rew)
    state = memory.initial_state(3)
    for t in range(7):
        state = memory.step(batch.z[:, t], batch.act[:, t], state, batch.prev_rew[:, t])
        torch.testing.assert_close(state.top, hidden[:, t], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(state.h, last.h, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(state.c, last.c, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("num_layers", [1, 2])
def test_forward_continues_from_a_state(num_layers: int) -> None:
    memory, batch = make_memory(num_layers=num_layers), make_batch()
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


def test_on_a_gpu_the_lstm_is_left_in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within its autocast, cuDNN's would be given fp16 where bf16 was asked for."""
    asked, said = [], []

    def none(kind: str, *, enabled: bool) -> AbstractContextManager[None]:
        asked.append((kind, enabled))
        return nullcontext()

    monkeypatch.setattr(torch, "autocast", none)
    for kind in ("cuda", "mps", "cpu"):
        with recurrent(torch.device(kind)):
            said.append(len(asked))
    assert asked == [("cuda", False), ("mps", False)]
    assert said == [1, 2, 2]

    seen = []
    monkeypatch.setattr("reverie.models.mdn_rnn.recurrent", lambda device: seen.append(device) or nullcontext())
    make_memory().loss(make_batch())
    assert seen == [torch.device("cpu")]


def test_loss_is_the_mean_negative_log_density_of_the_next_latents() -> None:
    memory, batch = make_memory(reward=NO_REWARD, end_head=False), make_batch()
    loss, metrics = memory.loss(batch)
    hidden, _ = memory(batch.z[:, :-1], batch.act)
    log_prob = memory.predict(hidden, batch.z[:, :-1]).z.log_prob(batch.z[:, 1:])
    assert loss.item() == pytest.approx(-log_prob.mean().item() / 4, rel=1e-6)
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
    memory = make_memory(reward=RewardConfig(head="value", scale=10.0), end_head=False)
    with torch.no_grad():
        memory.head.weight.zero_()
        memory.head.bias.zero_()
        memory.head.bias[-1] = 0.25
    reward = memory.predict(torch.zeros(2, 12), torch.zeros(2, 4)).reward
    torch.testing.assert_close(reward, torch.full((2,), 2.5))


def test_sign_head_is_the_logit_of_a_positive_reward() -> None:
    memory, batch = make_memory(reward=RewardConfig(head="sign"), end_head=False), make_batch()
    with torch.no_grad():
        memory.head.weight[-1].zero_()
        memory.head.bias[-1] = 0.0
    assert memory.loss(batch)[1]["loss_reward"].item() == pytest.approx(math.log(2), rel=1e-6)


def test_learns_a_deterministic_rule_that_needs_memory() -> None:
    """z_t+1 = action of the step before: a model without memory, or one fed the wrong action, cannot reach this."""
    torch.manual_seed(0)
    memory = Memory(MemoryConfig(hidden_size=24, num_mixtures=1, reward=NO_REWARD, end_head=False), 1, 1)
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


def test_a_residual_memory_predicts_the_change() -> None:
    memory = make_memory(residual=True)
    with torch.no_grad():
        memory.head.weight.zero_()
        memory.head.bias.zero_()
    z = torch.randn(5, 4)
    torch.testing.assert_close(memory.predict(torch.zeros(5, 12), z).z.mean(), z)


def test_no_normal_is_narrower_than_the_floor() -> None:
    memory = make_memory(min_sigma=0.1)
    with torch.no_grad():
        memory.head.bias.fill_(-50.0)
    sigma = memory.predict(torch.zeros(1, 12), torch.zeros(1, 4)).z.logsigma.exp()
    torch.testing.assert_close(sigma, torch.full_like(sigma, 0.1))


def test_all_dimensions_share_the_components_of_a_shared_mixture() -> None:
    memory, batch = make_memory(mixture="shared"), make_batch()
    mixture = memory.predict(memory(batch.z[:, :-1], batch.act)[0], batch.z[:, :-1]).z
    assert mixture.is_shared
    assert mixture.mu.shape == (3, 7, 3, 4)
    memory.loss(batch)[0].backward()


def test_two_hot_keeps_the_mean_of_any_reward() -> None:
    head = RewardHead(RewardConfig(head="two_hot"))
    rew = torch.tensor([-100.0, -0.4, -0.1, 0.0, 3.2, 6.7, 13.3, 500.0])
    target = two_hot(rew, head.bins)
    torch.testing.assert_close(target.sum(-1), torch.ones(8))
    assert ((target > 0).sum(-1) <= 2).all()
    torch.testing.assert_close((target * head.bins).sum(-1)[:-1], rew[:-1], rtol=1e-4, atol=1e-5)
    assert target[-1, -1] == 1  # beyond the bins


def test_a_two_hot_head_learns_the_expected_reward() -> None:
    """Spikes of 3.3 in a fifth of the steps, else -0.4: the mean is 0.34, and no error of squares can tell the two."""
    head = RewardHead(RewardConfig(head="two_hot"))
    rew = torch.where(torch.arange(1000) % 5 == 0, 3.3, -0.4)
    out = torch.zeros(41, requires_grad=True)
    optimizer = torch.optim.Adam([out], lr=0.1)
    for _ in range(300):
        loss = head.loss(out.expand(1000, 41), rew).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert head.expected(out.detach()).item() == pytest.approx(0.34, abs=0.02)
    weights = torch.softmax(out.detach(), -1)
    assert weights[head.bins > 2].sum().item() == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("head", ["sign", "value"])
def test_rewards_are_read_as_they_are_predicted(head) -> None:
    rewards = RewardHead(RewardConfig(head=head, scale=4.0))
    assert rewards.as_input(torch.tensor([8.0, -2.0])).tolist() == ([1, -1] if head == "sign" else [2, -0.5])


def test_where_every_decision_is_worth_the_same_there_is_nothing_to_learn_of_it() -> None:
    silent, same = (make_memory(reward=RewardConfig(head=head, scale=4.0)) for head in ("none", "constant"))
    assert [p.numel() for p in silent.parameters()] == [p.numel() for p in same.parameters()]
    assert silent.predict(torch.zeros(5, 12), torch.zeros(5, 4)).reward is None
    reward = same.predict(torch.randn(5, 12), torch.zeros(5, 4)).reward
    assert reward is not None
    assert reward.tolist() == [4.0] * 5
    torch.testing.assert_close(same.loss(make_batch())[0], silent.loss(make_batch())[0])
