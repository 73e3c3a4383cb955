"""What is computed on a device, as far as a machine without one can tell, on torch's `meta`: it holds no numbers, so
whoever waits for one fails, and here it refuses to be mixed with tensors of the CPU."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils import _pytree
from torch.utils._python_dispatch import TorchDispatchMode

from reverie import devices
from reverie.actions import SteerGasBrake
from reverie.data import placed
from reverie.devices import chosen_device, sent
from reverie.dream.dreamer import load_dreams
from reverie.dream.ensemble import DoubtConfig, Member
from reverie.dream.imagine import DreamConfig, controlled, imagine
from reverie.dream.moments import Moments, World, moments_after
from reverie.errors import UserError
from reverie.models.controller import Controller, ControllerConfig
from reverie.models.files import load_models
from reverie.models.mdn_rnn import Memory, MemoryConfig
from reverie.models.rewards import RewardConfig
from reverie.models.vae_gan import VaeGanConfig
from reverie.models.vision import VisionConfig, make_vision
from reverie.run.folder import RunFolder
from reverie.run.imagine import ActorConfig, CriticConfig, ImagineConfig
from reverie.training.controller.imagine.actor import Actor
from reverie.training.controller.imagine.actor_critic import ActorCritic, DreamWorld
from reverie.training.controller.imagine.critic import Critic
from reverie.training.controller.search_space import SearchSpace
from reverie.training.vision import in_a_mirror
from reverie.types import SequenceBatch

META = torch.device("meta")
B, T, Z = 4, 6, 8
_CARRIES = {"aten::_to_copy", "aten::copy_", "aten::set_.source_Tensor"}


class _Apart(TorchDispatchMode):
    """Nothing may take tensors of two devices, but what carries them across, and numbers without a dimension."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = [x for x in _pytree.tree_leaves((args, kwargs)) if isinstance(x, Tensor) and x.dim()]
        where = {x.device.type for x in given}
        assert len(where) < 2 or func._schema.name in _CARRIES, f"{func} takes tensors of {where}"
        return func(*args, **(kwargs or {}))


@pytest.fixture(autouse=True)
def _without_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch has none for `meta`."""
    monkeypatch.setattr("reverie.dream.imagine.autocast", lambda *_: nullcontext())


def step(model: nn.Module, loss: Tensor) -> None:
    """What `Fit` does with a loss between two looks at it."""
    optimizer = torch.optim.Adam(model.parameters())
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


def test_the_guard_sees_tensors_of_two_devices_together() -> None:
    here, there = torch.zeros(3), torch.zeros(3, device=META)
    with _Apart(), pytest.raises(AssertionError, match="takes tensors of"):
        torch.where(there > 0, there, here)
    with pytest.raises(RuntimeError):
        float(there.sum())


@pytest.mark.parametrize("config", [VisionConfig(), VisionConfig(model="vae_gan", vae_gan=VaeGanConfig(balance=False))])
def test_a_step_of_v_waits_for_no_number(config: VisionConfig) -> None:
    vision = make_vision(config).to(META).train()
    with _Apart():
        loss, metrics = vision.loss(torch.zeros(B, 64, 64, 3, dtype=torch.uint8, device=META))
        step(vision, loss)
        vision.after_step()
    assert {value.device for value in metrics.values()} == {META}


@pytest.mark.parametrize("num_bytes", [0, 10**9])
def test_frames_are_mirrored_where_v_is(num_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placed, "free_bytes", lambda _: num_bytes)
    with _Apart():
        frames = placed.PlacedFrames(np.zeros((20, 64, 64, 3), np.uint8), META)
        assert frames.are_there == bool(num_bytes)
        chosen = in_a_mirror(frames.take(np.arange(5)), sent(torch.ones(5, dtype=torch.bool), META))
    assert chosen.device == META
    assert chosen.shape == (5, 64, 64, 3)


def born(*, reward_input: bool = True) -> Memory:
    config = MemoryConfig(hidden_size=5, reward_input=reward_input, reward=RewardConfig(head="two_hot"), min_sigma=0.1)
    return Memory(config, Z, 3).to(META)


def test_a_step_of_m_waits_for_no_number() -> None:
    memory = born()
    zeros = torch.zeros(B, T)
    batch = SequenceBatch(
        z=torch.zeros(B, T + 1, Z), act=torch.zeros(B, T, 3), rew=zeros, prev_rew=zeros, end=zeros, mask=zeros
    ).each(lambda part: part.to(META))
    with _Apart():
        loss, _ = memory.loss(batch)
        step(memory, loss)


def some_moments(memory: Memory) -> Moments:
    return Moments(z=torch.zeros(B, Z), state=memory.initial_state(B), rew=torch.zeros(B)).to(META)


def test_moments_that_were_watched_lie_where_m_is() -> None:
    """Also what nobody knows of them."""
    memory = born()
    found = moments_after(memory, torch.zeros(B, T + 1, Z), torch.zeros(B, T, 3), torch.zeros(B, T + 1))
    with _Apart():
        chosen = found.select(torch.arange(B, device=META).repeat_interleave(2))
    assert {getattr(chosen, name).device for name in ("z", "rew", "earned", "frames", "held_out")} == {META}


WORLD = World(env_id="CarRacing-v3", actions=SteerGasBrake(), action_repeat=4, max_decisions=250)


@pytest.mark.parametrize("members", ["first", "random"])
def test_dreams_are_dreamt_where_m_is(members: Any) -> None:
    one, other = born(), born()
    controller = Controller(ControllerConfig(), Z, 5)
    params = torch.zeros(1, controller.num_params, device=META)
    with _Apart(), torch.no_grad():
        found = imagine(
            one,
            controlled(controller, params),
            some_moments(one),
            T,
            DreamConfig(members=members),
            members=[Member(memory=other, moments=some_moments(other))],
        )
    assert {part.device for part in found if part is not None} == {META}


@pytest.mark.parametrize("gradient", ["model", "likelihood"])
def test_a_step_in_imagination_waits_for_no_number_but_when_it_looks(
    gradient: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = born().requires_grad_(False)
    dreams = DreamWorld(memories=[memory], world=WORLD, config=DreamConfig(), doubt=DoubtConfig())
    controller = Controller(ControllerConfig(), Z, 5)
    actor = Actor(controller, SearchSpace(origin=np.zeros(controller.num_params)), ActorConfig(gradient=gradient)).to(
        META
    )
    config = ImagineConfig(horizon=T, batch=B, actor=ActorConfig(gradient=gradient))
    learner = ActorCritic(actor, Critic(CriticConfig(), dreams.num_features).to(META), dreams, config)
    monkeypatch.setattr(torch, "quantile", lambda values, at: values.new_zeros(len(at)))  # it looks at `at` on a CPU
    with _Apart():
        learner.step(1, [some_moments(memory)], None)  # pyright: ignore[reportArgumentType] (torch's own chance)
        with pytest.raises((RuntimeError, NotImplementedError)):
            learner.step(10, [some_moments(memory)], None)  # pyright: ignore[reportArgumentType]


def test_models_are_loaded_where_they_are_wanted(tiny_run: RunFolder) -> None:
    vision, memory = load_models(tiny_run.path, META)
    assert {weight.device for model in (vision, memory) for weight in model.parameters()} == {META}
    dreams = load_dreams(tiny_run.path, META)
    assert dreams.moments.z.device == dreams.memory.device == META


@pytest.mark.parametrize("found", [(), ("mps",), ("cuda", "mps")])
def test_auto_takes_what_there_is(found: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_is_there", lambda name: name in (*found, "cpu"))
    assert chosen_device("auto").type == [*found, "cpu"][0]


def test_what_is_not_there_is_refused_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_is_there", lambda name: name == "cpu")
    monkeypatch.setattr(devices, "_is_built", lambda name: name == "mps")
    with pytest.raises(UserError, match=r"^device cuda is not there \(this torch was built without it\): choose cpu"):
        chosen_device("cuda")
    with pytest.raises(UserError, match=r"^device mps is not there \(torch finds no such device on this machine\)"):
        chosen_device("mps")
    with pytest.raises(UserError, match=r"^device 'tpu' is none of auto, cpu, cuda, mps"):
        chosen_device("tpu")  # pyright: ignore[reportArgumentType]
