"""The agent: order of V, C and M, rows that do not disturb each other, and files that give the same actions back."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reverie.agent import Agent, AgentConfig
from reverie.errors import UserError
from reverie.models import files
from reverie.models.autoencoder import NetConfig
from reverie.models.controller import Controller, ControllerConfig
from reverie.models.mdn_rnn import Memory, MemoryConfig
from reverie.models.vae import Vae, VaeConfig


def make_agent(precision: str = "fp32", **memory) -> Agent:
    torch.manual_seed(0)
    net = NetConfig(z_size=6, encoder_channels=(4, 8, 8, 16), decoder_features=16, decoder_channels=(8, 8, 4))
    vision = Vae(net, VaeConfig())
    config = AgentConfig(precision=precision)  # pyright: ignore[reportArgumentType]
    return Agent(
        vision, Memory(MemoryConfig(hidden_size=32, **memory), 6, 3), Controller(ControllerConfig(), 6, 32), config
    )


def drive(agent: Agent, rows: list[int], steps: int = 12) -> np.ndarray:
    """Actions (t, b, a) of some of 40 fixed rows of frames, rewards and controllers."""
    rng = np.random.default_rng(0)
    params = torch.from_numpy(rng.normal(size=(40, agent.controller.num_params)).astype(np.float32))[rows]
    state, acts = agent.initial_state(len(rows)), []
    for _ in range(steps):
        obs, rew = rng.integers(0, 256, (40, 64, 64, 3), dtype=np.uint8), rng.normal(size=40)
        act, state = agent.act(obs[rows], rew[rows], params, state)
        acts.append(act)
    return np.stack(acts)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_row_does_not_depend_on_the_batch_around_it(precision: str) -> None:
    agent, tolerance = make_agent(precision), {"fp32": 1e-4, "bf16": 0.05}[precision]
    whole = drive(agent, list(range(40)))
    for rows in ([5], [3, 5], [5, 7, 9], list(range(7)), list(range(13)), list(range(5, 38))):
        np.testing.assert_allclose(drive(agent, rows), whole[:, rows], atol=tolerance)
    assert np.abs(np.diff(whole, axis=1)).mean() > 10 * tolerance, "other rows do something else"


def test_an_exact_agent_does_what_the_agent_does() -> None:
    for memory in ({}, {"num_layers": 2, "reward_input": True}):
        agent, rows = make_agent(**memory), list(range(40))
        np.testing.assert_allclose(drive(agent.exact, rows), drive(agent, rows), atol=1e-4)


def numpys_agent() -> Agent:
    """One whose weights NumPy draws: torch draws others on another processor."""
    agent, rng = make_agent(), np.random.default_rng(0)
    for weight in (*agent.vision.parameters(), *agent.memory.parameters()):
        weight.data = torch.from_numpy(rng.normal(0, 0.1, weight.shape).astype(np.float32))
    return agent


def test_of_an_exact_agent_neither_the_batch_shows_nor_the_processor() -> None:
    agent = numpys_agent().exact
    whole = drive(agent, list(range(40)))
    for rows in ([5], [3, 5], list(range(13)), list(range(5, 38))):
        assert np.array_equal(drive(agent, rows), whole[:, rows])
    old = {"ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"}
    code = "from tests.test_agent import *; sys.stdout.buffer.write(drive(numpys_agent().exact, [*range(40)]))"
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | old, capture_output=True, check=True)
    assert np.array_equal(np.frombuffer(done.stdout, np.float32).reshape(whole.shape), whole)


def test_an_exact_agent_leaves_the_models_as_they_are() -> None:
    agent = make_agent()
    drive(agent.exact, [0], steps=1)
    for models in (agent, agent.exact):
        assert {p.dtype for p in (*models.vision.parameters(), *models.memory.parameters())} == {torch.float32}
    assert agent.exact.encode(torch.zeros(1, 64, 64, 3, dtype=torch.uint8)).dtype == torch.float32


@pytest.mark.parametrize("b", [1, 7, 8, 9])
def test_batches_are_filled_up_to_sizes_that_kernels_treat_alike(b: int, monkeypatch: pytest.MonkeyPatch) -> None:
    agent, seen = make_agent(), []
    for part, name in ((agent.vision, "encode"), (agent.controller, "act"), (agent.memory, "step")):
        original = getattr(part, name)

        def keep(*given: Any, _original: Any = original) -> Any:
            seen.extend(len(tensor) for tensor in given if isinstance(tensor, torch.Tensor))
            return _original(*given)

        monkeypatch.setattr(part, name, keep)
    drive(agent, list(range(b)), steps=1)
    assert len(seen) >= 5
    assert set(seen) == {8 if b <= 8 else 16}


def test_memory_gets_the_action_of_this_step_and_the_controller_the_state_before() -> None:
    agent = make_agent()
    obs = np.random.default_rng(1).integers(0, 256, (8, 64, 64, 3), dtype=np.uint8)
    params = torch.randn(8, agent.controller.num_params, generator=torch.Generator().manual_seed(1))
    state = agent.initial_state(8)
    for _ in range(3):
        z = agent.encode(torch.from_numpy(obs))
        expected_act = agent.controller.act(params, z, state)
        expected_state = agent.memory.step(z, expected_act, state)
        act, state = agent.act(obs, np.zeros(8), params, state)
        np.testing.assert_allclose(act, expected_act.numpy(), rtol=1e-6)
        torch.testing.assert_close(state.h, expected_state.h)


def test_a_memory_that_reads_rewards_is_given_them() -> None:
    agent = make_agent(reward_input=True)
    obs = np.zeros((2, 64, 64, 3), np.uint8)
    params = torch.ones(2, agent.controller.num_params)
    _, state = agent.act(obs, np.array([0.0, 5.0]), params, agent.initial_state(2))
    assert not torch.allclose(state.h[0], state.h[1])


def test_saved_and_loaded_it_acts_the_same(tmp_path: Path) -> None:
    agent = make_agent()
    params = np.random.default_rng(2).normal(size=agent.controller.num_params).astype(np.float32)
    files.save_vision(tmp_path / files.VISION, agent.vision)
    files.save_memory(tmp_path / files.MEMORY, agent.memory)
    files.save_controller(tmp_path / files.CONTROLLER, agent.controller, params)
    controller, loaded_params = files.load_controller(tmp_path / files.CONTROLLER)
    vision, memory = files.load_vision(tmp_path / files.VISION), files.load_memory(tmp_path / files.MEMORY)
    loaded = Agent(vision, memory, controller, agent.config)
    np.testing.assert_array_equal(loaded_params, params)
    assert loaded.controller.config == agent.controller.config
    np.testing.assert_array_equal(drive(loaded, list(range(9))), drive(agent, list(range(9))))


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    agent = make_agent()
    files.save_memory(tmp_path / "m.safetensors", agent.memory)
    with pytest.raises(UserError, match=r"m.safetensors holds 'mdn_rnn' where 'vae' or 'vae_gan' was expected"):
        files.load_vision(tmp_path / "m.safetensors")
