"""Dreams side by side, step by step, in worlds whose course is known."""

import math

import pytest
import torch

from reverie.actions import SteerGasBrake
from reverie.dream.dreamer import Dreamer, load_dreams
from reverie.dream.imagine import DreamConfig
from reverie.dream.moments import Moments, World
from reverie.dream.replay import replay
from reverie.errors import UserError
from reverie.models.files import agent_folder
from reverie.models.mdn_rnn import Memory, MemoryConfig, MemoryState
from reverie.models.rewards import RewardConfig
from reverie.run.folder import RunFolder
from reverie.types import LargestReturn
from tests.dream.test_replay import Adder


def bank(memory: Memory, num: int) -> Moments:
    """Moments whose every number is that of the start."""
    number = torch.arange(num, dtype=torch.float32)
    shape = (num, memory.config.num_layers, memory.config.hidden_size)
    state = number[:, None, None].expand(shape)
    return Moments(z=number[:, None].expand(num, memory.z_size), state=MemoryState(state, state), rew=number)


def make(memory: Memory, moments: Moments, num: int, *, seed: int = 0, **settings) -> Dreamer:
    return Dreamer(memory, moments, num, DreamConfig(**settings), torch.Generator().manual_seed(seed))


def everywhere(dreamer: Dreamer) -> torch.Tensor:
    return torch.ones(dreamer.num, dtype=torch.bool)


def test_it_follows_the_actions_from_its_start_and_reads_its_own_rewards() -> None:
    memory = Adder(1.0)
    start = Moments(z=torch.tensor([[1.0, 0.0]]), state=memory.initial_state(1), rew=torch.tensor([5.0]))
    dreamer = make(memory, start, 2, temperature=0.0)
    dreamer.reset(everywhere(dreamer))
    steps = [dreamer.step(torch.tensor([[1.0, 0.5], [0.0, -1.0]])) for _ in range(3)]
    assert [step.z[0].tolist() for step in steps] == [[2, 0.5], [3, 1], [4, 1.5]]
    assert [step.z[1].tolist() for step in steps] == [[1, -1], [1, -2], [1, -3]]
    assert [step.rew.tolist() for step in steps] == [[6, 6], [7, 7], [8, 8]]  # from the start's 5, one more each
    assert [step.end.tolist() for step in steps] == [[False, False], [False, False], [True, False]]


def test_a_dream_in_a_world_is_paid_what_is_left_there_and_reads_what_was_promised() -> None:
    memory = Adder(1.0)
    moments = Moments(
        z=torch.zeros(2, 2),
        state=memory.initial_state(2),
        rew=torch.tensor([5.0, 5.0]),
        earned=torch.tensor([80.0, 0.0]),
        frames=torch.tensor([10, 30]),
    )
    largest = LargestReturn(total=101.0, frame_cost=0.1)
    world = World(env_id="X", actions=SteerGasBrake(), action_repeat=10, max_decisions=5, largest_return=largest)
    dreamer = Dreamer(memory, moments, 2, DreamConfig(temperature=0.0), torch.Generator(), world=world)
    dreamer.begin(torch.arange(2))
    steps = [dreamer.step(torch.zeros(2, 2)) for _ in range(3)]
    # 80 in 10 frames: 101 - 2 - 80 = 19 are left after the next decision, 12 after that, and 4 where 8 are promised.
    assert [step.rew[0].item() for step in steps] == pytest.approx([6, 7, 4])
    assert [step.excess[0].item() for step in steps] == pytest.approx([0, 0, 4])
    assert dreamer.rew.tolist() == [8, 8]
    assert [step.end.tolist() for step in steps] == [[False, False], [False, False], [True, False]]
    assert [step.trunc.tolist() for step in steps] == [[False, False], [False, True], [False, True]]
    assert [step.rew[1].item() for step in steps] == [6, 7, 8]
    dreamer.begin(torch.tensor([0, 0]), torch.tensor([False, True]))
    assert dreamer.step(torch.zeros(2, 2)).rew[1] == 6


def test_a_dream_begins_anew_at_one_moment_of_the_bank_and_leaves_the_others() -> None:
    memory = Adder(1.0)
    dreamer = make(memory, bank(memory, 9), 64, temperature=0.0)
    dreamer.reset(everywhere(dreamer))
    for _ in range(3):
        dreamer.step(torch.full((64, 2), 0.25))
    old = [dreamer.z, dreamer.rew, *dreamer.state]
    rows = torch.arange(64) % 3 == 0
    dreamer.reset(rows)
    new = [dreamer.z, dreamer.rew, *dreamer.state]
    assert all(torch.equal(now[~rows], before[~rows]) for now, before in zip(new, old, strict=True))
    values = torch.cat([part[rows].flatten(1) for part in (dreamer.z, *dreamer.state)], 1)
    number = dreamer.rew[rows]
    assert torch.equal(values, number[:, None].expand_as(values))
    assert len(number.unique()) > 5


def test_moments_of_the_bank_are_equally_likely() -> None:
    memory = Adder(1.0)
    dreamer = make(memory, bank(memory, 5), 5000)
    dreamer.reset(everywhere(dreamer))
    counts = torch.bincount(dreamer.rew.long())
    assert len(counts) == 5
    assert (counts - 1000).abs().max() < 120  # over four deviations


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_next_latent_spreads_with_the_temperature(temperature: float) -> None:
    memory = Adder(2.0)
    dreamer = make(memory, bank(memory, 1), 20_000, temperature=temperature)
    dreamer.reset(everywhere(dreamer))
    z = dreamer.step(torch.ones(20_000, 2)).z
    assert z.mean().item() == pytest.approx(1, abs=0.05)
    assert z.var().item() == pytest.approx(4 * temperature, rel=0.04)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_it_is_the_dream_along_known_actions(temperature: float) -> None:
    """What `replay` dreams of the same actions, from an empty state."""
    config = MemoryConfig(hidden_size=8, num_mixtures=3, reward_input=True, num_layers=2, end_head=False)
    memory = Memory(config, z_size=4, action_size=3)
    chance = torch.Generator().manual_seed(1)
    z, act = torch.randn(5, 4, generator=chance), torch.randn(5, 6, 3, generator=chance)
    dreamer = make(memory, bank(memory, 1), 5, temperature=temperature)
    dreamer.z, dreamer.rew, dreamer.state = z, torch.zeros(5), memory.initial_state(5)
    dreamer.generator.manual_seed(2)
    steps = [dreamer.step(act[:, i]) for i in range(6)]
    chance.manual_seed(2)
    dream = replay(memory, z[:, None], act, temperature=temperature, generator=chance, prev_rew=torch.zeros(5, 1))
    assert torch.equal(torch.stack([step.z for step in steps], 1), dream.z[:, 1:])
    assert dream.rew is not None
    assert torch.equal(torch.stack([step.rew for step in steps], 1), dream.rew)
    assert not any(step.end.any() for step in steps)  # without a head for it


def test_it_ends_as_often_as_the_end_head_says(tiny_run: RunFolder) -> None:
    dreams = load_dreams(tiny_run.path)
    with torch.no_grad():
        dreams.memory.head.weight[-1].zero_()
        dreams.memory.head.bias[-1] = -1.0
    act = torch.zeros(4000, 3)
    ends = {
        temperature: make(dreams.memory, dreams.moments, 4000, temperature=temperature).step(act).end
        for temperature in (0.0, 1.0)
    }
    assert ends[1.0].float().mean().item() == pytest.approx(1 / (1 + math.e), abs=0.03)
    assert not ends[0.0].any()  # without chance, what is likelier


def test_same_generator_same_dreams_and_rows_are_dreams_of_their_own() -> None:
    memory = Adder(1.0)

    def dream(seed: int, act: torch.Tensor) -> torch.Tensor:
        dreamer = make(memory, bank(memory, 1), 3, seed=seed)
        dreamer.reset(everywhere(dreamer))
        return torch.stack([dreamer.step(act).z for _ in range(4)], 1)

    same, act = torch.zeros(3, 2), torch.tensor([[9.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    found = dream(3, same)
    assert torch.equal(dream(3, same), found)
    assert not torch.isclose(dream(4, same), found).any()
    assert not torch.isclose(found[1], found[2]).any()
    assert torch.equal(dream(3, act)[1:], found[1:])
    assert not torch.isclose(dream(3, act)[0, :, 0], found[0, :, 0]).any()


def test_a_step_in_bf16_is_near_one_in_fp32() -> None:
    dreams, found = load_dreams(agent_folder("pretrained")), {}
    for precision in ("fp32", "bf16"):
        dreamer = make(dreams.memory, dreams.moments, 64, temperature=0.0, precision=precision)
        dreamer.reset(everywhere(dreamer))
        step = dreamer.step(torch.tensor([0.1, 0.5, 0.0]).expand(64, 3))
        assert {step.z.dtype, step.rew.dtype, dreamer.state.h.dtype, dreamer.state.c.dtype} == {torch.float32}
        found[precision] = (dreamer.state.top, step.rew, step.z)
    assert not torch.equal(found["fp32"][0], found["bf16"][0])
    torch.testing.assert_close(found["bf16"][0], found["fp32"][0], rtol=0, atol=0.03)
    torch.testing.assert_close(found["bf16"][1], found["fp32"][1], rtol=0.05, atol=0.2)
    apart = (found["bf16"][2] - found["fp32"][2]).abs()  # of 2,048 heaviest normals, a few are nearly two
    assert apart.quantile(0.95) < 0.1


@pytest.mark.parametrize("temperature", [-0.5, math.nan, math.inf])
def test_a_temperature_that_is_none_is_refused(temperature: float) -> None:
    memory = Adder(1.0)
    with pytest.raises(UserError, match=f"must be 0 or more, not {temperature:g}"):
        make(memory, bank(memory, 1), 1, temperature=temperature)


def test_an_unknown_precision_is_refused() -> None:
    memory = Adder(1.0)
    with pytest.raises(UserError, match="precision 'fp16' is not one of auto, fp32, bf16"):
        make(memory, bank(memory, 1), 1, precision="fp16")


def test_a_memory_without_rewards_is_no_world() -> None:
    memory = Memory(MemoryConfig(hidden_size=4, reward=RewardConfig(head="none")), 2, 1)
    with pytest.raises(UserError, match="does not predict rewards"):
        make(memory, bank(memory, 1), 1)
