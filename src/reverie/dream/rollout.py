"""Episodes in the dream, many at once, by the loop that acts on the road too.

Shapes: n dreams, b of them still going, t decisions, p parameters of a controller, z latent, a action.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reverie.dream.dreamer import Dreamer
from reverie.lockstep import Lockstep
from reverie.models.controller import Controller
from reverie.models.mdn_rnn import MemoryState


@dataclass(frozen=True, kw_only=True, eq=False)
class DreamObs:
    """What there is to see in b dreams."""

    z: Tensor
    """(b, z)"""
    state: MemoryState
    """M's, before it reads z."""

    def __getitem__(self, rows: NDArray[Any]) -> "DreamObs":
        """Those of some dreams."""
        chosen = torch.from_numpy(rows).to(self.z.device)
        return DreamObs(z=self.z[chosen], state=self.state.select(chosen))


class DreamTransition(NamedTuple):
    """What came of one decision in b dreams; the names are those of a `Transition`."""

    obs: DreamObs
    rew: NDArray[np.float32]
    """(b,) what is paid."""
    end: NDArray[np.bool_]
    """(b,) the dreamt world ended the episode."""
    trunc: NDArray[np.bool_]
    """(b,) the time of the dreamt world is up."""
    frames: NDArray[np.int64]
    """(b,) none: nothing is simulated."""


class Dreaming:
    """A dreamer as the loop wants its environments. A seed is the number of a moment of the bank; chance is the
    dreamer's, so that a dream also depends on those beside it."""

    def __init__(self, dreamer: Dreamer) -> None:
        self.dreamer, self.num_envs = dreamer, dreamer.num
        self._device = dreamer.generator.device

    def reset(self, rows: NDArray[np.int64], seeds: Sequence[int], starts: None = None) -> DreamObs:
        """Begins the dreams in `rows`."""
        assert starts is None, "a dream begins at a moment of its bank"
        mask, numbers = np.zeros(self.num_envs, bool), np.zeros(self.num_envs, np.int64)
        mask[rows], numbers[rows] = True, seeds
        self.dreamer.begin(torch.from_numpy(numbers).to(self._device), torch.from_numpy(mask).to(self._device))
        return self._see(rows)

    def step(self, rows: NDArray[np.int64], act: Tensor) -> DreamTransition:
        """One decision in `rows` by act (b, a); the others go on, meaninglessly."""
        if len(rows) < self.num_envs:
            act = act.new_zeros(self.num_envs, act.shape[1]).index_copy(0, torch.from_numpy(rows).to(act.device), act)
        step = self.dreamer.step(act)
        rew, end, trunc = (values.cpu().numpy()[rows] for values in (step.rew, step.end, step.trunc))
        return DreamTransition(self._see(rows), rew, end, trunc, np.zeros(len(rows), np.int64))

    def _see(self, rows: NDArray[np.int64]) -> DreamObs:
        seen = DreamObs(z=self.dreamer.z, state=self.dreamer.state)
        return seen if len(rows) == self.num_envs else seen[rows]


class ControllerPolicy:
    """C at the wheel of dreams; `params` (n, p), or (1, p) for the same one in all of them."""

    def __init__(self, controller: Controller, params: Tensor) -> None:
        self.controller, self.params = controller, params

    def reset(self, seeds: Sequence[int]) -> None:
        """A controller for each dream."""
        n = len(seeds)
        assert self.params.shape in ((1, self.controller.num_params), (n, self.controller.num_params)), (
            f"params must be {(n, self.controller.num_params)}, not {tuple(self.params.shape)}"
        )
        self._rows = self.params.expand(n, -1)

    @torch.inference_mode()
    def act(self, obs: DreamObs, prev_rew: np.ndarray) -> Tensor:  # noqa: ARG002 (C does not read it)
        """Actions (b, a)."""
        return self.controller.act(self._rows, obs.z, obs.state)

    def keep(self, mask: np.ndarray) -> None:
        """Drops the dreams that ended."""
        self._rows = self._rows[torch.from_numpy(np.flatnonzero(mask)).to(self._rows.device)]


class DreamOutcomes(NamedTuple):
    """What came of n dreams."""

    rew: np.ndarray
    """(n, t) expected rewards; 0 after the end."""
    decisions: np.ndarray
    """(n,) until the dreamt world ended the episode, or t."""

    @property
    def returns(self) -> np.ndarray:
        """(n,) sums of rewards."""
        return self.rew.sum(1)


def rollout_dreams(
    dreamer: Dreamer, controller: Controller, params: np.ndarray, num_decisions: int, numbers: Tensor | None = None
) -> DreamOutcomes:
    """A dream for each of `params` (n, p), of `num_decisions` at most; it begins at the moment of the bank with its
    number in `numbers` (n,), or at one that the dreamer draws."""
    assert len(params) == dreamer.num, f"{len(params)} controllers for {dreamer.num} dreams"
    device = dreamer.generator.device
    policy = ControllerPolicy(controller, torch.from_numpy(np.ascontiguousarray(params, np.float32)).to(device))
    seeds = (dreamer.draw() if numbers is None else numbers).tolist()
    rewards = np.zeros((dreamer.num, num_decisions), np.float32)
    episodes = Lockstep(Dreaming(dreamer), policy, seeds, max_decisions=num_decisions)
    for i, (rows, _, _, step) in enumerate(episodes):
        rewards[rows, i] = step.rew
    return DreamOutcomes(rewards, episodes.decisions)
