"""The agent: V sees, C acts, M remembers. Always a batch.

Shapes: b rows, h w frame, c colour, z latent, a action, p parameters of a controller.
The order at each step is that of the paper (section 2.4): z = V(obs), a = C(z, h), h = M(z, a, h), so M always gets
the action that was taken at this step.
"""

import copy
import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reverie.devices import Precision, autocast
from reverie.models.controller import Controller
from reverie.models.mdn_rnn import Memory, MemoryState
from reverie.models.vision import Vision

ROW_MULTIPLE = 8
"""Batches are filled up to a multiple of this many rows. Matrix kernels treat other sizes differently in the last bit,
which a drive makes visible: so a track's return would depend on which other tracks run beside it."""

GRID = 2.0**-20
"""What an exact agent keeps of a number: a millionth, about what single precision knows of it."""


def full_rows(b: int) -> Tensor:
    """Indices that fill a batch of b rows up with its first ones."""
    return torch.arange(-(-b // ROW_MULTIPLE) * ROW_MULTIPLE) % b


@dataclass(frozen=True, kw_only=True)
class AgentConfig:
    """How V, M and C run together."""

    precision: Precision = "auto"
    """Arithmetic of the encoder at the wheel; M and C always run in fp32."""


@torch.inference_mode()
def seen(vision: Vision, frames: Tensor, precision: Precision) -> Tensor:
    """uint8 frames (b, h, w, c) -> the mean of their latent (b, z): at the wheel, no noise of our own."""
    with autocast(frames.device, precision):
        return vision.encode(frames).mu


class Agent:
    """V, M and C together. `params` (b, p) or (1, p): each row may have a controller of its own."""

    def __init__(self, vision: Vision, memory: Memory, controller: Controller, config: AgentConfig) -> None:
        self.vision = vision.eval().requires_grad_(False)
        self.memory = memory.eval().requires_grad_(False)
        self.controller = controller
        self.config = config
        self.device = next(vision.parameters()).device

    def initial_state(self, b: int) -> MemoryState:
        """The state before the first frame of b episodes."""
        return self.memory.initial_state(b)

    @functools.cached_property
    def exact(self) -> "ExactAgent":
        """The same agent, which does the same on every processor."""
        return ExactAgent(self)

    @torch.inference_mode()
    def act(
        self, obs: np.ndarray, prev_rew: np.ndarray, params: Tensor, state: MemoryState
    ) -> tuple[np.ndarray, MemoryState]:
        """Frames uint8 (b, h, w, c) and the rewards (b,) that came with them -> actions float32 (b, a), next state."""
        b = len(obs)
        rows = self._rows(b).to(self.device)
        frames = torch.from_numpy(obs).to(self.device)[rows]
        rew = torch.from_numpy(prev_rew).to(self.device, torch.float32)[rows]
        state = state.select(rows)
        z = self.encode(frames)
        act = self._chosen(params.expand(b, -1)[rows], z, state)
        state = self._remembered(z, act, state, rew)
        return act[:b].cpu().numpy(), state.first(b)

    @torch.inference_mode()
    def encode(self, frames: Tensor) -> Tensor:
        """uint8 frames (b, h, w, c) -> what V makes of them (b, z)."""
        return seen(self.vision, frames, self.config.precision)

    def _rows(self, b: int) -> Tensor:
        return full_rows(b)

    def _chosen(self, params: Tensor, z: Tensor, state: MemoryState) -> Tensor:
        return self.controller.act(params, z, state)

    def _remembered(self, z: Tensor, act: Tensor, state: MemoryState, rew: Tensor) -> MemoryState:
        return self.memory.step(z, act, state, rew)


class ExactAgent(Agent):
    """An agent whose drives follow from V, M, C and the track alone, on any processor.

    A drive is chaos: the last bit of a sum, which hangs on the order that a processor sums in, becomes another drive
    within seconds. In double precision that bit is 5e-15 at most, and what is kept (z, the action, M's state) is
    rounded to `GRID`: it shows in one of 200,000 drives (`pretrained` on track 2, 136,750 numbers, summed as an old
    processor does and as a new one). V takes eight times as long so. V and M for whatever else, such as pictures, stay
    as they are.
    """

    def __init__(self, agent: Agent) -> None:
        super().__init__(agent.vision, agent.memory, agent.controller, agent.config)
        # On the CPU, whatever the device: not every one has double precision.
        self._vision = copy.deepcopy(agent.vision).cpu().double()
        self._memory = copy.deepcopy(agent.memory).cpu().double()

    @torch.inference_mode()
    def encode(self, frames: Tensor) -> Tensor:
        """uint8 frames (b, h, w, c) -> what V makes of them (b, z)."""
        return self._kept(self._vision.mean(frames.cpu()))

    def _rows(self, b: int) -> Tensor:
        return torch.arange(b)  # no size of a batch shows

    def _chosen(self, params: Tensor, z: Tensor, state: MemoryState) -> Tensor:
        return self._kept(self.controller.act(_double(params), _double(z), MemoryState(*map(_double, state))))

    def _remembered(self, z: Tensor, act: Tensor, state: MemoryState, rew: Tensor) -> MemoryState:
        after = self._memory.step(_double(z), _double(act), MemoryState(*map(_double, state)), _double(rew))
        return MemoryState(*map(self._kept, after))

    def _kept(self, numbers: Tensor) -> Tensor:
        return ((numbers / GRID).round() * GRID).float().to(self.device)


def _double(numbers: Tensor) -> Tensor:
    return numbers.to("cpu", torch.float64)
