"""Lambda-returns by hand and by brute force, and the scale of returns."""

import numpy as np
import pytest
import torch
from torch import Tensor

from reverie.training.controller.imagine.returns import ReturnRange, lambda_returns, weights


def test_by_hand() -> None:
    rew, discount, value = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5, 1.0]]), torch.tensor([[9.0, 10.0, 20.0]])
    last = 2 + 1.0 * (0.25 * 20 + 0.75 * 20)
    first = 1 + 0.5 * (0.25 * 10 + 0.75 * last)
    torch.testing.assert_close(lambda_returns(rew, discount, value, 0.75), torch.tensor([[first, last]]))


def n_step(rew: Tensor, discount: Tensor, value: Tensor, i: int, n: int) -> Tensor:
    """Rewards of n decisions from the i-th, and the critic's word for what comes after."""
    total, factor = torch.zeros(len(rew), dtype=rew.dtype), torch.ones(len(rew), dtype=rew.dtype)
    for k in range(i, i + n):
        total, factor = total + factor * rew[:, k], factor * discount[:, k]
    return total + factor * value[:, i + n]


@pytest.mark.parametrize("trace", [0.0, 0.9, 1.0])
def test_they_are_the_weighted_mean_of_all_n_step_returns(trace: float) -> None:
    rng = torch.Generator().manual_seed(0)
    b, t = 5, 7
    rew, discount, value = (torch.rand(shape, generator=rng, dtype=torch.float64) for shape in ((b, t), (b, t), (b, 8)))
    found = lambda_returns(rew, discount, value, trace)
    for i in range(t):
        left = t - i
        parts = [(1 - trace) * trace ** (n - 1) * n_step(rew, discount, value, i, n) for n in range(1, left)]
        brute = sum(parts, trace ** (left - 1) * n_step(rew, discount, value, i, left))
        torch.testing.assert_close(found[:, i], brute)


def test_nothing_counts_after_a_sure_end() -> None:
    discount = torch.tensor([[0.9, 0.0, 0.9, 0.9]])
    rew, value = torch.tensor([[1.0, 1.0, 50.0, 50.0]]), torch.full((1, 5), 100.0)
    found = lambda_returns(rew, discount, value, 1.0)
    torch.testing.assert_close(found[0, :2], torch.tensor([1.9, 1.0]))
    torch.testing.assert_close(weights(discount), torch.tensor([[1.0, 0.9, 0.0, 0.0]]))


def test_the_range_of_returns_is_a_slow_mean_of_percentiles_and_at_least_1() -> None:
    scale, rng = ReturnRange(), np.random.default_rng(0)
    batches = [rng.normal(3, 10, (40, 5)).astype(np.float32) for _ in range(3)]
    ends = [np.percentile(batch, (5, 95)) for batch in batches]
    for batch in batches:
        scale.update(torch.from_numpy(batch))
    expected = 0.99 * (0.99 * ends[0] + 0.01 * ends[1]) + 0.01 * ends[2]
    assert scale.scale.item() == pytest.approx(expected[1] - expected[0], rel=1e-5)
    small = ReturnRange()
    small.update(torch.tensor([0.1, 0.2, 0.3]))
    assert small.scale.item() == 1
