"""Doubt: several M that learned from the same driving, and how far they disagree about what comes next.

Where a dream goes beyond what M has seen, its members, which began with other weights and saw other batches, have no
reason to agree (Lakshminarayanan et al. 2017, arXiv 1612.01474; for world models Chua et al. 2018, arXiv 1805.12114).
The first of them is the world; the others watch, with states of their own, the same latents and actions. Or each dream
draws at every decision whose word counts (Chua et al.'s TS1), so that nobody can count on the mistakes of one M.

Shapes: m members, b dreams, t decisions, z latent, a action.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reverie.dream.moments import Moments
from reverie.models.distributions import Mixture
from reverie.models.mdn_rnn import Memory, Prediction


@dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """A further M, and its own state at each moment of the bank."""

    memory: Memory
    moments: Moments

    def to(self, device: torch.device) -> "Member":
        """The same on another device, and no longer to be trained."""
        return Member(memory=self.memory.to(device).eval().requires_grad_(False), moments=self.moments.to(device))


@dataclass(frozen=True, kw_only=True)
class DoubtConfig:
    """What becomes of a dream that its members do not agree about. It takes two of them, or more."""

    cut: float = 0.0
    """A dream ends where the doubt of a decision is above this; 0 for never."""
    cost: float = 0.0
    """What a decision costs for each unit of its doubt."""

    def __bool__(self) -> bool:
        """Whether doubt matters."""
        return bool(self.cut or self.cost)


def disagreement(means: Tensor) -> Tensor:
    """Of the means of z_t+1 that members expect, mu (m, ..., z): their standard deviation over members, root mean
    square over z -> (...), in units of z: sqrt(1/z sum_j 1/m sum_i (mu_ij - 1/m sum_l mu_lj)^2)."""
    return means.var(0, unbiased=False).mean(-1).sqrt()


def of_each(expected: Sequence[Prediction], who: Tensor) -> Prediction:
    """Of what each member expects in b dreams, in every dream that of the member in `who` (b,)."""
    rows = torch.arange(len(who), device=who.device)

    def pick(parts: Sequence[Tensor | None]) -> Tensor | None:
        found = [part for part in parts if part is not None]  # members are built alike: all have a head, or none
        return torch.stack(found)[who, rows] if found else None

    logpi, mu, logsigma = (torch.stack(parts)[who, rows] for parts in zip(*(one.z for one in expected), strict=True))
    reward, end_logit = (pick([getattr(one, name) for one in expected]) for name in ("reward", "end_logit"))
    return Prediction(Mixture(logpi, mu, logsigma), reward, end_logit)


@torch.inference_mode()
def doubt_along(memories: Sequence[Memory], z: Tensor, act: Tensor, prev_rew: Tensor) -> Tensor:
    """The doubt (b, t) at each of the decisions act (b, t, a), along latents z (b, t + 1, z), seen or dreamt, and the
    rewards prev_rew (b, t) that came with them."""
    means = []
    for memory in memories:
        hidden, _ = memory(z[:, :-1], act, prev_rew)
        means.append(memory.predict(hidden, z[:, :-1]).z.mean())
    return disagreement(torch.stack(means))
