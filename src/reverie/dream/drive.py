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
    """Begins a dream for each of `params` (n, p), and drives it for `num_decisions` at most."""
    dreamer.reset(torch.ones(dreamer.num, dtype=torch.bool, device=dreamer.generator.device))
    return drive_on(dreamer, controller, params, num_decisions)


@torch.inference_mode()
def drive_on(dreamer: Dreamer, controller: Controller, params: np.ndarray, num_decisions: int) -> DreamDrives:
    """The same in dreams that have begun."""
    n, device = dreamer.num, dreamer.generator.device
    assert params.shape == (n, controller.num_params), (
        f"params must be {(n, controller.num_params)}, not {params.shape}"
    )
    rows = torch.from_numpy(np.ascontiguousarray(params, np.float32)).to(device)
    going = torch.ones(n, dtype=torch.bool, device=device)
    rewards, decisions = torch.zeros(n, num_decisions, device=device), torch.zeros(n, dtype=torch.long, device=device)
    for i in range(num_decisions):
        step = dreamer.step(controller.act(rows, dreamer.z, dreamer.state))
        rewards[:, i] = step.rew * going
        decisions += going
        going = going & ~step.end
        if not going.any():
            break
    return DreamDrives(rewards.cpu().numpy(), decisions.cpu().numpy())
