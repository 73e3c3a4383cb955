"""Ranks, decay and steps, against SciPy, torch and what can be said by hand."""

import numpy as np
import pytest
import torch
from scipy.stats import rankdata

from reverie.evolution.optimizers import Optimizer, OptimizerConfig
from reverie.evolution.shaping import annealed, centered_ranks, penalised, standardised


def test_ranks_are_those_of_scipy() -> None:
    fitness = np.random.default_rng(0).integers(0, 6, 15).astype(float)
    np.testing.assert_allclose(centered_ranks(fitness), (rankdata(fitness) - 1) / 14 - 0.5, rtol=0, atol=1e-15)


def test_ranks_by_hand() -> None:
    np.testing.assert_array_equal(centered_ranks(np.array([10.0, -900.0, 2.0])), [0.5, -0.5, 0.0])
    np.testing.assert_array_equal(centered_ranks(np.full(4, 3.0)), np.zeros(4))
    np.testing.assert_array_equal(centered_ranks(np.array([1.0])), [-0.5])


def test_standardised() -> None:
    shaped = standardised(np.array([1.0, 5.0, 3.0, 100.0]))
    assert shaped.mean() == pytest.approx(0)
    assert shaped.std() == pytest.approx(1)
    np.testing.assert_array_equal(standardised(np.full(3, 7.0)), np.zeros(3))


def test_large_weights_cost() -> None:
    candidates = np.array([[0.0, 0.0], [2.0, -2.0], [0.0, 4.0]])
    np.testing.assert_array_equal(penalised(np.full(3, 1.0), candidates, 0.5), [1.0, -1.0, -3.0])
    np.testing.assert_array_equal(penalised(np.full(3, 1.0), candidates, 0.0), [1.0, 1.0, 1.0])


def test_annealing_ends_at_the_floor_and_raises_nothing_to_it() -> None:
    values = np.array([1.0, 0.55, 0.5, 0.1])
    np.testing.assert_array_equal(annealed(values, 0.9, 0.5), [0.9, 0.5, 0.5, 0.1])
    assert annealed(0.1, 1.0, 0.0) == 0.1


def test_adam_is_that_of_torch() -> None:
    config = OptimizerConfig(learning_rate=0.05, learning_rate_decay=1.0, momentum=0.8)
    optimizer, x = Optimizer(config, 5), np.zeros(5)
    theirs = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([theirs], lr=0.05, betas=(0.8, 0.999), eps=1e-8, maximize=True)
    for gradient in np.random.default_rng(0).normal(size=(7, 5)):
        x = x + optimizer.step(gradient)
        theirs.grad = torch.from_numpy(gradient)
        adam.step()
    np.testing.assert_allclose(x, theirs.detach().numpy(), rtol=1e-12)


def test_sgd_climbs_and_remembers() -> None:
    config = OptimizerConfig(optimizer="sgd", learning_rate=2.0, learning_rate_decay=0.5, momentum=0.75)
    optimizer = Optimizer(config, 1)
    np.testing.assert_array_equal(optimizer.step(np.array([8.0])), [2 * 2.0])
    np.testing.assert_array_equal(optimizer.step(np.array([0.0])), [1 * 1.5])
    optimizer.forget()
    np.testing.assert_array_equal(optimizer.step(np.array([8.0])), [0.5 * 2.0])


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_learning_rate_falls_to_its_floor(optimizer) -> None:
    config = OptimizerConfig(
        optimizer=optimizer, momentum=0.0, learning_rate=1.0, learning_rate_decay=0.5, learning_rate_floor=0.2
    )
    steps = Optimizer(config, 1)
    taken = [float(steps.step(np.ones(1))[0]) for _ in range(4)]
    np.testing.assert_allclose(taken, [1, 0.5, 0.25, 0.2], rtol=1e-6)
