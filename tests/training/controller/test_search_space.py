"""The directions in which C is searched for."""

import numpy as np
import pytest
import torch

from reverie.models.controller import Controller, ControllerConfig
from reverie.models.mdn_rnn import MemoryState
from reverie.training.controller.search_space import SearchSpace, principal_basis

D, Z, H = 500, 3, 5


def inputs(rank: int = Z + H) -> np.ndarray:
    """(d, i) of unequal, correlated columns around a mean."""
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(D, rank)) @ (rng.normal(size=(rank, Z + H)) * np.geomspace(5, 0.1, rank)[:, None])
    return (mixed + rng.normal(size=Z + H)).astype(np.float32)


def act(controller: Controller, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Actions (d, 3) of one controller."""
    seen, d = torch.from_numpy(x), len(x)
    state = MemoryState(seen[:, None, Z:], torch.zeros(d, 1, H))
    return controller.act(torch.from_numpy(params).float().expand(d, -1), seen[:, :Z], state).numpy()


@pytest.mark.parametrize("num", [1, 4, Z + H])
def test_a_linear_controller_reads_components_of_variance_1(num: int) -> None:
    controller, x = Controller(ControllerConfig(action="steer_pedal"), Z, H), inputs()
    basis = principal_basis(controller, x, num)
    assert basis.shape == (2 * (num + 1), controller.num_params)
    weights, biases = basis[:, : 2 * (Z + H)].reshape(-1, 2, Z + H), basis[:, 2 * (Z + H) :]
    read = x @ weights[:num, 0].T + biases[:num, 0]
    np.testing.assert_allclose(read.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(np.cov(read.T), np.eye(num) if num > 1 else 1, atol=1e-4)
    assert not weights[:num, 1].any()
    assert not biases[:num, 1].any()
    # The first num components leave as little of the inputs as any: what is left is orthogonal to them.
    rest = (x - x.mean(0)) - read @ np.linalg.lstsq(read, x - x.mean(0), rcond=None)[0]
    lost = np.linalg.eigvalsh(np.cov(x.T.astype(np.float64)))[: Z + H - num].sum()
    assert np.square(rest).sum() / (D - 1) == pytest.approx(lost, rel=1e-3, abs=1e-4)


def test_all_directions_reach_every_controller() -> None:
    controller = Controller(ControllerConfig(inputs="z", hidden_size=4), Z, H)
    x = inputs()[:, :Z]
    basis = principal_basis(controller, x, Z)
    assert np.linalg.matrix_rank(basis) == controller.num_params
    np.testing.assert_array_equal(basis[4 * (Z + 1) :, 4 * (Z + 1) :], np.eye(4 * 3 + 3))


def test_directions_without_variance_are_left_out() -> None:
    controller = Controller(ControllerConfig(), Z, H)
    basis = principal_basis(controller, inputs(rank=4), Z + H)
    assert len(basis) == 3 * (4 + 1)
    assert np.isfinite(basis).all()


def test_a_space_has_its_origin() -> None:
    controller = Controller(ControllerConfig(action="steer_pedal"), Z, H)
    origin = np.random.default_rng(1).normal(size=controller.num_params)
    plain = SearchSpace(origin=origin)
    space = SearchSpace(origin=origin, basis=principal_basis(controller, inputs(), 2))
    assert (plain.num_coordinates, space.num_coordinates) == (controller.num_params, 6)
    for one in (plain, space):
        np.testing.assert_array_equal(one.params(np.zeros((1, one.num_coordinates)))[0], origin)
    x = np.random.default_rng(2).normal(size=(3, 6))
    x[:, -2:] = [[0, 0], [1, 0], [0, 1]]
    moved = space.params(x)
    assert moved.shape == (3, controller.num_params)
    np.testing.assert_allclose(
        moved - origin, x @ space.params(np.eye(6)) - x.sum(1, keepdims=True) * origin, atol=1e-9
    )
    still = act(controller, origin, inputs())
    assert not np.allclose(act(controller, moved[0], inputs()), still)
