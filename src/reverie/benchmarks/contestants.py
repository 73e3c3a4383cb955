"""Our side of the benchmarks: what each contestant does in a turn.

Shapes: n environments, frames (n, 64, 64, 3) uint8, actions (n, 3).
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import count

import numpy as np
import torch

from reverie import dynamo
from reverie.agent import Agent, AgentConfig
from reverie.benchmarks import searches
from reverie.benchmarks.speed import Clock, Round
from reverie.data.placed import PlacedFrames
from reverie.devices import Decided, autocast, chosen_device, finish, sent
from reverie.dream.dreamer import Dreamer
from reverie.dream.imagine import DreamConfig
from reverie.dream.moments import Moments
from reverie.dream.rollout import ControllerPolicy, Dreaming
from reverie.envs.config import EnvConfig
from reverie.envs.registry import make_env, make_vector_env
from reverie.envs.vector import VectorEnv
from reverie.lockstep import Lockstep
from reverie.models.controller import Controller, ControllerConfig
from reverie.models.mdn_rnn import Memory, MemoryConfig
from reverie.models.rewards import RewardConfig
from reverie.models.vision import VisionConfig, make_vision
from reverie.policies import AgentPolicy, Policy
from reverie.seeding import torch_generator, torch_seeded
from reverie.types import Device, SequenceBatch

BATCH = {"frames_64": 16, "rollout_fp32": 64, "rollout_bf16": 64}
"""Environments that are stepped together."""
IMAGES_PER_STEP = 100
"""Of the paper's V in training."""
NUM_FRAMES = 1000
"""That it is trained on."""
SEQUENCES = {"memory_bf16": 64, "memory_fp32": 64, "memory_small": 16}
"""Of a step of the paper's M in training, each of `SEQUENCE_LENGTH` decisions; small is bf16 too."""
SEQUENCE_LENGTH = 32
NUM_DREAMS = 256

PAPERS_MEMORY = MemoryConfig(reward=RewardConfig(head="none"), end_head=False)


@lru_cache(maxsize=4)
def ours(name: str, device: Device = "cpu") -> Round:
    """The contestant of this name, whose environments and networks are kept for its next turn. Raises UserError where
    this machine has no such device."""
    where = chosen_device(device)
    if name == "frames_96":
        return _frames_96()
    if name.startswith("vision"):
        return _vision(_precision(name), where)
    if name in SEQUENCES:
        return _memory(SEQUENCES[name], "fp32" if name.endswith("fp32") else "bf16", where)
    if name == "evolve_dream":
        return searches.in_dreams(where)
    if name == "evolve_road":
        return _lockstep(*searches.on_the_road(where), decisions=True)
    if name.startswith("dream"):
        return _dream(_precision(name), where)
    num = BATCH[name]
    env = make_vector_env(EnvConfig(action_repeat=1), num)
    policy = _Uniform() if name == "frames_64" else _papers_agent(AgentConfig(precision=_precision(name)), where)
    return _lockstep(env, policy)


def _precision(name: str) -> Decided:
    return "bf16" if name.endswith("bf16") else "fp32"


def _lockstep(env: VectorEnv, policy: Policy, *, decisions: bool = False) -> Round:
    """Frames, or decisions, per second of a batch in lockstep, as `rollout` does it; episodes go on from turn to turn.

    New tracks are not counted.
    """
    clock, seeds = Clock(), count()
    episodes: Lockstep[np.ndarray, np.ndarray] | None = None

    def turn(seconds: float) -> float:
        nonlocal episodes
        clock.start(seconds)
        while not clock.units or clock.running:
            if episodes is None or not len(episodes.rows):
                with clock.stopped():
                    episodes = Lockstep(env, policy, [next(seeds) for _ in range(env.num_envs)])
            step = next(episodes).step
            clock.count(len(step.frames) if decisions else int(step.frames.sum()))
        return clock.rate

    return turn


def _frames_96() -> Round:
    """Frames per second of `gymnasium.make("reverie/CarRacing-v3")`, 96x96 with panel; random actions."""
    env = make_env(EnvConfig())
    policy, clock, seeds = _Uniform(), Clock(), count()
    over = True

    def turn(seconds: float) -> float:
        nonlocal over
        clock.start(seconds)
        while not clock.units or clock.running:
            if over:
                with clock.stopped():
                    env.reset(seed=next(seeds))
            _, _, end, trunc, _ = env.step(policy.next(1)[0])
            over = end or trunc
            clock.count(1)
        return clock.rate

    return turn


def _vision(precision: Decided, device: torch.device) -> Round:
    """Images per second that the paper's V is trained on, as stage `vision` does it; on a GPU, one step at a time."""
    with torch_seeded(0, "bench"):
        vision = make_vision(VisionConfig()).to(device).train()
    with dynamo.in_private():
        optimizer = torch.optim.Adam(vision.parameters(), lr=1e-4, fused=True)
    clock, frames, rng = Clock(), PlacedFrames(roads(NUM_FRAMES), device), np.random.default_rng(0)
    noise = torch_generator(0, "bench", "noise", device=device)

    def turn(seconds: float) -> float:
        clock.start(seconds)
        while not clock.units or clock.running:
            batch = frames.take(rng.integers(0, NUM_FRAMES, IMAGES_PER_STEP))
            with autocast(device, precision):
                loss, _ = vision.loss(batch, noise)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            vision.after_step()
            clock.count(len(batch))
        finish(device)
        return clock.rate

    return turn


def _memory(num: int, precision: Decided, device: torch.device) -> Round:
    """Timesteps per second that the paper's M is trained on, as stage `memory` does it; on a GPU, one at a time."""
    with torch_seeded(0, "bench"):
        memory = Memory(PAPERS_MEMORY, 32, 3).to(device).train()
    with dynamo.in_private():
        optimizer = torch.optim.Adam(memory.parameters(), lr=1e-3, fused=True)
    clock, generator, t = Clock(), torch_generator(0, "bench", "sequences"), SEQUENCE_LENGTH

    def turn(seconds: float) -> float:
        clock.start(seconds)
        while not clock.units or clock.running:
            z, act = torch.randn(num, t + 1, 32, generator=generator), torch.rand(num, t, 3, generator=generator)
            zeros, ones = torch.zeros(num, t), torch.ones(num, t)
            batch = SequenceBatch(z=z, act=act, rew=zeros, prev_rew=zeros, end=zeros, mask=ones)
            batch = batch.each(lambda part: sent(part, device))
            with autocast(device, precision):
                loss, _ = memory.loss(batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(memory.parameters(), 1.0)
            optimizer.step()
            clock.count(num * t)
        finish(device)
        return clock.rate

    return turn


def _dream(precision: Decided, device: torch.device) -> Round:
    """Decisions per second in the dream of the paper's M, with a controller of its own in each dream."""
    n = NUM_DREAMS
    with torch_seeded(0, "bench"):
        memory = Memory(replace(PAPERS_MEMORY, reward=RewardConfig()), 32, 3).to(device)
    state = memory.initial_state(1)
    moments = Moments(z=torch.zeros(1, 32), state=state, rew=torch.zeros(1)).to(device)
    chance = torch_generator(0, "bench", "dream", device=device)
    dreamer = Dreamer(memory, moments, n, DreamConfig(precision=precision), chance)
    controller, clock = Controller(ControllerConfig(), 32, memory.config.hidden_size), Clock()
    params = 0.1 * torch.randn(n, controller.num_params, generator=torch_generator(0, "bench", "params"))
    params = params.to(device)

    def turn(seconds: float) -> float:
        episodes = Lockstep(Dreaming(dreamer), ControllerPolicy(controller, params), [0] * n)
        clock.start(seconds)
        while not clock.units or clock.running:
            clock.count(len(next(episodes).rows))
        return clock.rate

    return turn


def roads(num: int) -> np.ndarray:
    """Pictures of roads that bend over grass, (num, 64, 64, 3) uint8; the peer makes the same ones."""
    y, x = np.mgrid[1:0:64j, -1:1:64j]
    place, slope, bend = np.random.default_rng(0).uniform(-0.5, 0.5, (3, num, 1, 1))
    on_road = np.abs(x - place - slope * y - bend * y**2) < 0.3 - 0.2 * y
    return np.where(on_road[..., None], (104, 104, 105), (102, 204, 102)).astype(np.uint8)


def _papers_agent(config: AgentConfig, device: torch.device) -> AgentPolicy:
    """The paper's networks with random weights, which cost the same as trained ones."""
    with torch_seeded(0, "bench"):
        vision = make_vision(VisionConfig()).to(device)
        memory = Memory(MemoryConfig(), vision.z_size, 3).to(device)
    controller = Controller(ControllerConfig(), memory.z_size, memory.config.hidden_size)
    params = 0.1 * np.random.default_rng(0).standard_normal((1, controller.num_params))
    return AgentPolicy(Agent(vision, memory, controller, config), params)


class _Uniform:
    """Uniform random actions, drawn beforehand, since drawing them is not what is measured."""

    def __init__(self, num: int = 65536) -> None:
        low, high = np.array([-1, 0, 0], np.float32), np.ones(3, np.float32)
        self._drawn = np.random.default_rng(0).uniform(low, high, (num, 3)).astype(np.float32)
        self._next = 0

    def next(self, n: int) -> np.ndarray:
        self._next = self._next + n if self._next + n <= len(self._drawn) - n else 0
        return self._drawn[self._next : self._next + n]

    def reset(self, seeds: Sequence[int]) -> None:
        """Goes on drawing."""

    def act(self, obs: np.ndarray, prev_rew: np.ndarray) -> np.ndarray:  # noqa: ARG002 (a random driver is blind)
        return self.next(len(obs))

    def keep(self, mask: np.ndarray) -> None:
        """Nothing to forget."""
