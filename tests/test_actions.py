"""What can be done in a world, of every kind: against bounds, counts and formulas that are known."""

import itertools
import json
import pickle

import numpy as np
import pytest
import torch
from gymnasium import spaces
from pydantic import ValidationError

from reverie.actions import (
    ActionSpec,
    BoxActions,
    Categories,
    Sidestep,
    SteerGasBrake,
    SteerPedal,
    as_json,
    from_json,
)
from reverie.errors import UserError
from reverie.policies import NoisyPolicy, RandomPolicy

BOX = BoxActions(low=(-1.0, 0.0, 10.0, -3.0), high=(1.0, 5.0, 30.0, -3.0), shape=(2, 2), dtype="float64")
ONE = Categories(sizes=(3,), first=(5,))
TWO = Categories(sizes=(2, 3), first=(0, -1), shape=(2,))
STEP = Sidestep(left=2, stay=0, right=1)
KINDS = [BOX, BoxActions(low=(2.0,), high=(4.0,), scaled=False), SteerGasBrake(), SteerPedal(), ONE, TWO, STEP]


class _Always:
    """A driver that knows one action."""

    def __init__(self, act: list[float]) -> None:
        self._act = np.array(act, np.float32)

    def reset(self, seeds: object) -> None:
        """Nothing to begin."""

    def act(self, obs: np.ndarray, prev_rew: np.ndarray) -> np.ndarray:  # noqa: ARG002
        """The one."""
        return np.tile(self._act, (len(obs), 1))

    def keep(self, mask: np.ndarray) -> None:
        """Nothing to drop."""


@pytest.mark.parametrize("actions", KINDS)
def test_a_spec_is_data(actions: ActionSpec) -> None:
    assert from_json(json.loads(json.dumps(as_json(actions)))) == actions
    assert pickle.loads(pickle.dumps(actions)) == actions
    assert hash(from_json(as_json(actions))) == hash(actions)


def test_what_is_no_spec_is_refused() -> None:
    for values in ({}, {"kind": "legs"}, {"kind": "categories", "sizes": "many"}):
        with pytest.raises(ValidationError):
            from_json(values)


@pytest.mark.parametrize("actions", KINDS)
def test_outputs_become_what_the_space_has_and_come_back_as_m_reads_them(actions: ActionSpec) -> None:
    outputs = torch.from_numpy(np.random.default_rng(0).normal(0, 3, (50, actions.num_outputs)))
    act, space = actions.from_outputs(outputs).numpy().astype(np.float32), actions.space()
    assert act.shape == (50, actions.size)
    given = actions.to_env(act)
    for one in given:
        assert space.contains(np.int64(one) if isinstance(one, int) else one)
    np.testing.assert_allclose(actions.from_env(np.array(given)), _flat_axes_at(act, actions), atol=1e-6)


def _flat_axes_at(act: np.ndarray, actions: ActionSpec) -> np.ndarray:
    """An axis whose bounds are equal has nothing to say: it comes back as -1."""
    if actions is BOX:
        act = act.copy()
        act[:, 3] = -1
    return act


def test_a_box_is_scaled_and_has_its_shape() -> None:
    assert isinstance(BOX.space(), spaces.Box)
    act = torch.tanh(torch.tensor([[0.0, 30.0, -30.0, 0.5]]))
    torch.testing.assert_close(BOX.from_outputs(torch.tensor([[0.0, 30.0, -30.0, 0.5]])), act)
    np.testing.assert_array_equal(BOX.to_env(act.numpy()), [[[0.0, 5.0], [10.0, -3.0]]])
    given = np.array([[[9.0, 2.5], [20.0, 0.0]]])
    np.testing.assert_array_equal(BOX.from_env(given), [[1.0, 0.0, 0.0, -1.0]])
    raw = BoxActions(low=(2.0,), high=(4.0,), scaled=False)
    np.testing.assert_array_equal(raw.from_outputs(torch.zeros(1, 1)), [[3.0]])
    np.testing.assert_array_equal(raw.to_env(np.array([[3.5], [9.0]])), np.array([[3.5], [4.0]], np.float32))
    np.testing.assert_array_equal(raw.from_env(np.array([[3.5], [9.0]])), [[3.5], [4.0]])


def test_a_car_by_three_outputs_or_two() -> None:
    x = torch.tensor([[0.3, -0.7, 0.4], [-2.0, 0.6, -0.4]], dtype=torch.float64)
    t = torch.tanh(x).numpy()
    np.testing.assert_array_equal(
        SteerGasBrake().from_outputs(x), np.stack([t[:, 0], (t[:, 1] + 1) / 2, t[:, 2].clip(0)], 1)
    )
    np.testing.assert_array_equal(
        SteerPedal().from_outputs(x[:, :2]), np.stack([t[:, 0], t[:, 1].clip(0), (-t[:, 1]).clip(0)], 1)
    )
    assert SteerGasBrake().driven_by("steer_pedal") == SteerPedal()
    assert SteerPedal().driven_by("steer_gas_brake") == SteerGasBrake()
    assert ONE.driven_by("steer_pedal") == ONE
    np.testing.assert_array_equal(SteerPedal().from_env(np.array([[-9.0, -9, 9]])), [[-1, 0, 1]])


def test_m_reads_a_one_hot_and_the_environment_gets_whole_numbers() -> None:
    act = ONE.from_outputs(torch.tensor([[-5.0, 40.0, 41.0], [2.0, 1.0, 1.5]]))
    np.testing.assert_array_equal(act, [[0, 0, 1], [1, 0, 0]])
    assert ONE.to_env(act.numpy()) == [7, 5]
    assert ONE.space() == spaces.Discrete(3, start=5)
    np.testing.assert_array_equal(ONE.from_env(np.array([7, 5])), act)
    pair = TWO.from_outputs(torch.tensor([[0.0, 1.0, 3.0, 1.0, 2.0]]))
    np.testing.assert_array_equal(pair, [[0, 1, 1, 0, 0]])
    np.testing.assert_array_equal(TWO.to_env(pair.numpy()), [[1, -1]])
    assert isinstance(TWO.space(), spaces.MultiDiscrete)
    for wrong in (4, 8, 6.5):
        with pytest.raises(UserError, match=f"action {wrong} is none of 5 to 7"):
            ONE.from_env(np.array([wrong]))


def test_one_number_is_a_step_beyond_a_third() -> None:
    outputs = torch.atanh(torch.tensor([[-0.9], [-0.3334], [-0.3332], [0.0], [0.3332], [0.3334], [0.9]]))
    act = STEP.from_outputs(outputs)
    np.testing.assert_array_equal(act[:, 0], [-1, -1, 0, 0, 0, 1, 1])
    assert STEP.to_env(act.numpy()) == [2, 2, 0, 0, 0, 1, 1]
    assert STEP.num_outputs == STEP.size == 1
    with pytest.raises(UserError, match="action 3 is none of 0 to 2"):
        STEP.from_env(np.array([0, 3]))
    noise = np.random.default_rng(0).standard_normal((30_000, 1))
    drawn = STEP.at_random(noise)
    np.testing.assert_allclose([(drawn == step).mean() for step in (-1, 0, 1)], 1 / 3, atol=0.01)
    shaken = STEP.shaken(
        np.array([[-1.0], [0.0], [1.0]], np.float32), np.array([[0.7], [-0.4], [-1.4]]), np.ones((3, 1))
    )
    np.testing.assert_array_equal(shaken[:, 0], [0, -1, -1])


def test_gradients_pass_straight_through_a_step() -> None:
    outputs = torch.tensor([[0.2]], requires_grad=True)
    act = STEP.from_outputs(outputs)
    assert act.item() == 0
    act.sum().backward()
    assert outputs.grad is not None
    assert outputs.grad.item() == pytest.approx(1 - np.tanh(0.2) ** 2)


def test_gradients_pass_straight_through_a_choice() -> None:
    outputs = torch.tensor([[0.0, 1.0, 2.0]], requires_grad=True)
    act = ONE.from_outputs(outputs)
    np.testing.assert_array_equal(act.detach(), [[0, 0, 1]])
    act[0, 2].backward()
    p = torch.tensor([0.0, 1.0, 2.0]).softmax(0)
    assert outputs.grad is not None
    torch.testing.assert_close(outputs.grad[0], p[2] * (torch.tensor([0.0, 0, 1]) - p))


def test_chance_takes_every_action_as_often() -> None:
    box = BoxActions(low=(0.0,), high=(8.0,))
    for actions, count in ((box, lambda act: np.histogram(act, 8, (0, 8))[0]), (TWO, lambda act: act.sum(0))):
        policy = RandomPolicy(actions, hold=4, seed=0)
        policy.reset(range(200))
        drawn = np.concatenate([policy.act(np.zeros(0), np.zeros(0)) for _ in range(200)])
        counts = count(box.to_env(drawn) if actions is box else drawn) / len(drawn)
        expected = np.full(8, 1 / 8) if actions is box else [1 / 2] * 2 + [1 / 3] * 3
        np.testing.assert_allclose(counts, expected, atol=0.02)  # some 5,000 independent draws: deviation .007


def test_a_random_row_is_its_own_and_changes_slowly() -> None:
    alone, together = (RandomPolicy(ONE, hold=10, seed=3) for _ in range(2))
    alone.reset([7])
    together.reset([5, 7])
    nothing = np.zeros(0)
    one = [alone.act(nothing, nothing)[0] for _ in range(20)]
    two = [together.act(nothing, nothing)[1] for _ in range(10)]
    together.keep(np.array([False, True]))
    two += [together.act(nothing, nothing)[0] for _ in range(10)]
    np.testing.assert_array_equal(one, two)
    held, jumping = (
        np.mean([(a != b).any() for a, b in itertools.pairwise(acts)])
        for acts in (_acts(RandomPolicy(ONE, hold=h, seed=0), 500) for h in (10, 1))
    )
    assert held < 0.6 * jumping


def _acts(policy: RandomPolicy, num: int) -> np.ndarray:
    policy.reset([0])
    return np.stack([policy.act(np.zeros(0), np.zeros(0))[0] for _ in range(num)])


def test_hands_that_shake_take_another_category_with_the_chance_that_their_row_drew() -> None:
    steady = [1.0, 0.0, 0.0, 0.0, 1.0]
    policy = NoisyPolicy(_Always(steady), TWO, noise=0.5, hold=1, seed=0)
    policy.reset(range(400))
    acts = np.stack([policy.act(np.zeros((400, 1)), np.zeros(400)) for _ in range(100)])
    assert set(np.unique(acts)) == {0, 1}
    np.testing.assert_array_equal(acts[..., :2].sum(-1), 1)
    changed = (acts[..., 1] == 1).mean()
    assert changed == pytest.approx(0.25, abs=0.02)  # each row's chance is uniform up to .5
    both = acts[..., 2:4].mean((0, 1))
    assert both.sum() == pytest.approx(0.25, abs=0.02)
    np.testing.assert_allclose(both[0], both[1], atol=0.02)
    calm = NoisyPolicy(_Always(steady), TWO, noise=0.0, hold=5, seed=0)
    calm.reset(range(3))
    for _ in range(20):
        np.testing.assert_array_equal(calm.act(np.zeros((3, 1)), np.zeros(3)), [steady] * 3)


def test_hands_that_shake_stay_within_a_box() -> None:
    policy = NoisyPolicy(_Always([0.9, -0.9, 0.0, 0.0]), BOX, noise=0.5, hold=5, seed=0)
    policy.reset(range(20))
    acts = np.stack([policy.act(np.zeros((20, 1)), np.zeros(20)) for _ in range(50)])
    assert np.abs(acts).max() == 1
    assert acts[1:, :, 2].std() > 0.1


def test_everything_can_be_shown() -> None:
    assert [name for name, _ in SteerPedal().bars] == ["steer", "gas", "brake"]
    assert [name for name, _ in ONE.bars] == ["5", "6", "7"]
    assert [name for name, _ in TWO.bars] == ["0: 0", "0: 1", "1: -1", "1: 0", "1: 1"]
    assert len(BOX.bars) == 4
