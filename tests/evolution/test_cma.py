"""CMA-ES on a known function, and that it continues bit for bit."""

import json

import numpy as np
import pytest

from reverie.errors import UserError
from reverie.evolution.cma import Cma, CmaConfig


def make(diagonal: bool = False) -> Cma:
    return Cma(CmaConfig(population=12, sigma=0.5, diagonal=diagonal), 6, np.random.default_rng(4))


def ellipsoid(x: np.ndarray) -> np.ndarray:
    """Best at (1, ..., 1), with axes of very different length."""
    return -1.0 * (10.0 ** np.arange(6) * (x - 1) ** 2).sum(-1)


def run(strategy: Cma, generations: int) -> None:
    for _ in range(generations):
        candidates = strategy.ask()
        strategy.tell(candidates, ellipsoid(candidates))


@pytest.mark.parametrize("diagonal", [False, True])
def test_finds_the_maximum_of_an_ellipsoid(diagonal: bool) -> None:
    strategy = make(diagonal)
    run(strategy, 250)
    np.testing.assert_allclose(strategy.center, np.ones(6), atol=1e-4)
    assert strategy.spread < 1e-3


@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize(("num_params", "population"), [(6, 12), (10, 4), (50, 4), (120, 8), (300, 32)])
@pytest.mark.parametrize("generations", [0, 1, 2, 9])
def test_continues_bit_for_bit(diagonal: bool, num_params: int, population: int, generations: int) -> None:
    """At sizes for which the package chooses different ways to adapt the step size."""

    def make(seed: int) -> Cma:
        config = CmaConfig(population=population, sigma=0.5, diagonal=diagonal)
        return Cma(config, num_params, np.random.default_rng(seed))

    def run(strategy: Cma, generations: int) -> None:
        for _ in range(generations):
            candidates = strategy.ask()
            strategy.tell(candidates, -np.square(candidates - 1).sum(1) - 0.1 * np.abs(candidates[:, 0]))

    whole, first, second = make(4), make(4), make(99)
    run(whole, generations + 5)
    run(first, generations)
    arrays, values = first.state()
    second.load_state(arrays, json.loads(json.dumps(values)))
    run(second, 5)
    np.testing.assert_array_equal(second.center, whole.center)
    assert second.spread == whole.spread
    np.testing.assert_array_equal(second.ask(), whole.ask())


def test_a_replay_that_goes_elsewhere_is_refused() -> None:
    strategy = make()
    run(strategy, 5)
    arrays, values = strategy.state()
    with pytest.raises(UserError, match="begun with other versions"):
        make().load_state(arrays | {"center": arrays["center"] + 0.01}, values)
    with pytest.raises(UserError, match="begun with other versions"):
        make().load_state({"fitness": arrays["fitness"]}, {})
    make().load_state(arrays | {"center": arrays["center"] + 1e-9}, values)


def test_the_state_is_a_copy() -> None:
    strategy = make()
    run(strategy, 5)
    arrays, values = strategy.state()
    before = arrays["fitness"].copy(), json.dumps(values)
    run(strategy, 5)
    np.testing.assert_array_equal(arrays["fitness"], before[0])
    assert json.dumps(values) == before[1]


def test_global_random_state_is_left_alone() -> None:
    np.random.seed(0)  # noqa: NPY002 (the global generator is what must not be touched)
    before = np.random.get_state()[1].copy()  # noqa: NPY002  # pyright: ignore[reportArgumentType, reportCallIssue, reportAttributeAccessIssue]
    run(make(), 3)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002  # pyright: ignore[reportArgumentType, reportCallIssue]


def test_fitness_is_maximised_whatever_its_offset() -> None:
    one, other = make(), make()
    for strategy, offset in ((one, 0.0), (other, -1000.0)):
        for _ in range(5):
            candidates = strategy.ask()
            strategy.tell(candidates, np.asarray(offset + np.round(ellipsoid(candidates)), np.float64))
    np.testing.assert_array_equal(one.center, other.center)
