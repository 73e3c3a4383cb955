"""C against plain NumPy, and what its outputs mean."""

from pathlib import Path

import numpy as np
import pytest
import torch

from reverie import checkpoint
from reverie.actions import Categories, Sidestep
from reverie.errors import UserError
from reverie.models.controller import Controller, ControllerConfig
from reverie.models.files import CONTROLLER, load_controller, packaged, save_controller
from reverie.models.mdn_rnn import MemoryState


def remembering(h: torch.Tensor, c: torch.Tensor | None = None) -> MemoryState:
    """The state of an LSTM of one layer, from h and c (b, h)."""
    return MemoryState(h[:, None], (torch.full_like(h, torch.nan) if c is None else c)[:, None])


def test_linear_controller_is_tanh_of_weights_times_inputs_plus_bias() -> None:
    controller = Controller(ControllerConfig(action="steer_gas_brake"), 4, 6)
    rng = np.random.default_rng(0)
    params, z, h = rng.normal(size=(5, controller.num_params)), rng.normal(size=(5, 4)), rng.normal(size=(5, 6))
    act = controller.act(torch.tensor(params), torch.tensor(z), remembering(torch.tensor(h))).numpy()
    for row in range(5):
        weight, bias = params[row, :30].reshape(3, 10), params[row, 30:]
        out = np.tanh(weight @ np.concatenate([z[row], h[row]]) + bias)
        np.testing.assert_allclose(act[row], [out[0], (out[1] + 1) / 2, max(out[2], 0)])


def test_inputs_are_taken_in_the_order_of_their_letters() -> None:
    controller = Controller(ControllerConfig(inputs="zhc", action="steer_pedal"), 1, 2)
    z, h, c = torch.tensor([[1.0]]), torch.tensor([[2.0, 3.0]]), torch.tensor([[4.0, 5.0]])
    steer = torch.tensor([0.1, 0.01, 0.001, 0.0001, 0.00001])
    params = torch.cat([steer, torch.zeros(5), torch.zeros(2)])[None]
    assert controller.act(params, z, remembering(h, c))[0, 0] == pytest.approx(np.tanh(0.12345))


def test_pedal_is_gas_or_brake() -> None:
    controller = Controller(ControllerConfig(action="steer_pedal", inputs="z"), 1, 9)
    params = torch.tensor([[0.0, 1.0, 0.3, 0.0]])  # weights of steer and pedal, then their biases
    for z, gas, brake in ((0.8, np.tanh(0.8), 0.0), (-0.8, 0.0, np.tanh(0.8))):
        act = controller.act(params, torch.tensor([[z]]), remembering(torch.zeros(1, 9)))
        np.testing.assert_allclose(act.numpy(), [[np.tanh(0.3), gas, brake]], rtol=1e-6)


def test_a_file_from_when_there_were_only_cars_acts_as_it_did() -> None:
    path = packaged() / CONTROLLER
    tensors, meta = checkpoint.load(path)
    assert "actions" not in meta, "an old file: keep one for this test when another agent ships"
    controller, params = load_controller(path)
    rng = torch.Generator().manual_seed(0)
    z, h = torch.randn(7, 32, generator=rng), torch.randn(7, 256, generator=rng)
    act = controller.act(torch.from_numpy(params).expand(7, -1), z, remembering(h))
    weight, bias = tensors["params"][:-2].view(2, 288), tensors["params"][-2:]
    x = torch.baddbmm(bias.expand(7, 2)[..., None], weight.expand(7, 2, 288), torch.cat([z, h], -1)[..., None])
    steer, pedal = torch.tanh(x.squeeze(-1)).T
    assert torch.equal(act, torch.stack([steer, pedal.clamp(min=0), (-pedal).clamp(min=0)], -1))


def test_c_of_another_world_is_kept_with_what_can_be_done_there(tmp_path: Path) -> None:
    actions = Categories(sizes=(4,), first=(0,))
    controller = Controller(ControllerConfig(action="steer_pedal", inputs="z"), 3, 2, actions)
    assert controller.num_params == 4 * (3 + 1)
    save_controller(tmp_path / CONTROLLER, controller, np.arange(16))
    loaded, params = load_controller(tmp_path / CONTROLLER)
    assert loaded.actions == actions
    act = loaded.act(torch.from_numpy(params)[None], torch.tensor([[1.0, -1.0, 0.0]]), remembering(torch.zeros(1, 2)))
    assert act.tolist() == [[0, 0, 0, 1]]  # outputs 11, 12, 13, 14
    tensors, meta = checkpoint.load(tmp_path / CONTROLLER)
    checkpoint.save(tmp_path / CONTROLLER, tensors, meta | {"actions": {"kind": "legs"}})
    with pytest.raises(UserError, match="was written by another version of reverie"):
        load_controller(tmp_path / CONTROLLER)


@pytest.mark.parametrize(
    ("config", "num_params"),
    [
        (ControllerConfig(), 867),
        (ControllerConfig(inputs="z"), 99),
        (ControllerConfig(inputs="z", hidden_size=40), 33 * 40 + 41 * 3),
        (ControllerConfig(action="steer_pedal"), 578),
        (ControllerConfig(inputs="zhc"), 1635),
    ],
)
def test_parameter_counts(config: ControllerConfig, num_params: int) -> None:
    assert Controller(config, 32, 256).num_params == num_params


def test_hidden_layer_and_rows_of_their_own() -> None:
    controller = Controller(ControllerConfig(inputs="z", hidden_size=5), 3, 0)
    rng = np.random.default_rng(1)
    params, z = rng.normal(size=(4, controller.num_params)), rng.normal(size=(4, 3))
    nothing = remembering(torch.zeros(4, 0, dtype=torch.float64))
    act = controller.act(torch.tensor(params), torch.tensor(z), nothing).numpy()
    for row in range(4):
        p = params[row]
        hidden = np.tanh(p[:15].reshape(5, 3) @ z[row] + p[15:20])
        out = np.tanh(p[20:35].reshape(3, 5) @ hidden + p[35:])
        np.testing.assert_allclose(act[row], [out[0], (out[1] + 1) / 2, max(out[2], 0)])


def test_actions_stay_in_the_space_of_carracing() -> None:
    for action in ("steer_gas_brake", "steer_pedal"):
        controller = Controller(ControllerConfig(action=action), 4, 6)
        params = 100 * torch.randn(50, controller.num_params)
        act = controller.act(params, torch.randn(50, 4), remembering(torch.randn(50, 6)))
        assert (act >= torch.tensor([-1.0, 0, 0])).all()
        assert (act <= 1).all()


def test_without_a_bias_there_are_only_weights() -> None:
    plain = Controller(ControllerConfig(inputs="zhc", bias=False), 4, 3, Sidestep(left=2, stay=0, right=1))
    assert plain.num_params == 4 + 3 + 3
    z, state = torch.randn(5, 4), MemoryState(torch.randn(5, 1, 3), torch.randn(5, 1, 3))
    params = torch.randn(5, 10)
    expected = (params * torch.cat([z, state.h[:, 0], state.c[:, 0]], -1)).sum(-1, keepdim=True)
    torch.testing.assert_close(plain.outputs(params, z, state), expected)
    torch.testing.assert_close(plain.outputs(params[0], z, state)[0], expected[0])
