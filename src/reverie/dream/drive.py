"""Controllers in the dream: what they earn there, many at once.

Shapes: n dreams, t decisions, p parameters of a controller.
"""

from typing import NamedTuple

import numpy as np
import torch

from reverie.dream.dreamer import Dreamer
from reverie.models.controller import Controller


class DreamDrives(NamedTuple):
    """What came of n dreams."""

    rew: np.ndarray
    """(n, t) expected rewards; 0 after the end."""
    decisions: np.ndarray
    """(n,) until the dreamt world ended the episode, or t."""

    @property
    def returns(self) -> np.ndarray:
        """(n,) sums of rewards."""
        return self.rew.sum(1)


@torch.inference_mode()
def drive_dreams(dreamer: Dreamer, controller: Controller, params: np.ndarray, num_decisions: int) -> DreamDrives:
    """Drives a dream with each of `params` (n, p), from its start on, for `num_decisions` at most."""
    n, device = dreamer.num, dreamer.generator.device
    assert params.shape == (n, controller.num_params), (
        f"params must be {(n, controller.num_params)}, not {params.shape}"
    )
    rows = torch.from_numpy(np.ascontiguousarray(params, np.float32)).to(device)
    going = torch.ones(n, dtype=torch.bool, device=device)
    dreamer.reset(going)
    rewards, decisions = torch.zeros(n, num_decisions, device=device), torch.zeros(n, dtype=torch.long, device=device)
    for i in range(num_decisions):
        step = dreamer.step(controller.act(rows, dreamer.z, dreamer.state.top))
        rewards[:, i] = step.rew * going
        decisions += going
        going = going & ~step.end
        if not going.any():
            break
    return DreamDrives(rewards.cpu().numpy(), decisions.cpu().numpy())
