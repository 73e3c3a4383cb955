"""Doubt: several M that learned from the same driving, and how far they disagree about what comes next.

Where a dream goes beyond what M has seen, its members, which began with other weights and saw other batches, have no
reason to agree (Lakshminarayanan et al. 2017, arXiv 1612.01474; for world models Chua et al. 2018, arXiv 1805.12114).
The first of them is the world; the others watch, with states of their own, the same latents and actions.

Shapes: m members, b dreams, t decisions, z latent, a action.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reverie.dream.starts import Starts
from reverie.models.distributions import Mixture
from reverie.models.mdn_rnn import Memory, MemoryState


@dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """A further M, and its own state at each moment of the bank."""

    memory: Memory
    starts: Starts


class Watchers:
    """The further members, beside dreams whose world is the first."""

    def __init__(self, members: Sequence[Member], num: int, device: torch.device) -> None:
        self._members = [
            Member(memory=one.memory.to(device).eval().requires_grad_(False), starts=one.starts.to(device))
            for one in members
        ]
        nobody = torch.zeros(num, dtype=torch.long, device=device)
        self._states = [one.starts.state.select(nobody) for one in self._members]

    def begin(self, rows: Tensor, drawn: Tensor) -> None:
        """Those of the dreams in `rows` (b,) bool stand where the bank's moments `drawn` (b,) left them."""
        for i, one in enumerate(self._members):
            fresh = one.starts.state.select(drawn)
            self._states[i] = self._states[i].replaced(rows, fresh)

    def step(self, z: Tensor, act: Tensor, rew: Tensor, expected: Mixture) -> Tensor | None:
        """Lets them take the decision act (b, a) from z (b, z), and compares what they expect with what the first M
        does: the doubt (b,), or None where there is nobody to ask."""
        if not self._members:
            return None
        means = [expected.mean()]
        for i, one in enumerate(self._members):
            state = one.memory.step(z, act, self._states[i], rew)
            means.append(one.memory.predict(state.top, z).z.mean())
            self._states[i] = MemoryState(state.h.float(), state.c.float())
        return disagreement(torch.stack(means))


def disagreement(means: Tensor) -> Tensor:
    """Of what members expect (m, ..., z): the standard deviation over members, root mean square over z -> (...)."""
    return means.var(0, unbiased=False).mean(-1).sqrt()


@torch.inference_mode()
def doubt_along(memories: Sequence[Memory], z: Tensor, act: Tensor, prev_rew: Tensor) -> Tensor:
    """The doubt (b, t) at each of the decisions act (b, t, a), along latents z (b, t + 1, z), seen or dreamt, and the
    rewards prev_rew (b, t) that came with them."""
    means = []
    for memory in memories:
        hidden, _ = memory(z[:, :-1], act, prev_rew)
        means.append(memory.predict(hidden, z[:, :-1]).z.mean())
    return disagreement(torch.stack(means))
