"""The agent: V sees, C acts, M remembers. Always a batch.

Shapes: b rows, h w frame, c colour, z latent, a action, p parameters of a controller.
The order at each step is that of the paper (section 2.4): z = V(obs), a = C(z, h), h = M(z, a, h), so M always gets
the action that was taken at this step.
"""

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

    @torch.inference_mode()
    def act(
        self, obs: np.ndarray, prev_rew: np.ndarray, params: Tensor, state: MemoryState
    ) -> tuple[np.ndarray, MemoryState]:
        """Frames uint8 (b, h, w, c) and the rewards (b,) that came with them -> actions float32 (b, a), next state."""
        b = len(obs)
        rows = full_rows(b).to(self.device)
        frames = torch.from_numpy(obs).to(self.device)[rows]
        rew = torch.from_numpy(prev_rew).to(self.device, torch.float32)[rows]
        state = state.select(rows)
        z = self.encode(frames)
        act = self.controller.act(params.expand(b, -1)[rows], z, state)
        state = self.memory.step(z, act, state, rew)
        return act[:b].cpu().numpy(), state.first(b)

    @torch.inference_mode()
    def encode(self, frames: Tensor) -> Tensor:
        """uint8 frames (b, h, w, c) -> what V makes of them (b, z)."""
        return seen(self.vision, frames, self.config.precision)
