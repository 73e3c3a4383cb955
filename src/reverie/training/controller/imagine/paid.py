"""What the decisions of dreams are paid, when the dreams are over, and what is left to hope for.

Shapes: b dreams, t decisions.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from reverie.dream.accounting import settle_all
from reverie.dream.ensemble import DoubtConfig
from reverie.dream.imagine import Trajectory
from reverie.dream.moments import Moments, World


class Paid(NamedTuple):
    """What comes of dreams by the rules of the world that they stand for."""

    rew: Tensor
    """(b, t) within what there is to earn, less what doubt costs."""
    end: Tensor
    """(b, t) probability that the dream is over with the decision: by M's end head, by the world's rules, by doubt."""
    outlook: Tensor
    """(b, t + 1, 2) share of all there is to earn that is left (1 where nobody knows), and share of the time, before
    each decision and after the last: M does not know of either."""
    excess: Tensor
    """(b, t) what M promised beyond what was left to earn."""


def pay(world: World, begun: Moments, dreamt: Trajectory, doubt: DoubtConfig) -> Paid:
    """Settles the decisions of dreams that began at such moments."""
    assert dreamt.rew is not None, "this memory does not predict rewards"
    account = settle_all(world, begun, dreamt.rew)
    paid, is_over = account.decisions.rew, account.decisions.end | account.decisions.trunc
    if dreamt.doubt is not None:
        if doubt.cost:
            paid = paid - doubt.cost * dreamt.doubt
        if doubt.cut:
            is_over = is_over | (dreamt.doubt > doubt.cut)
    end = torch.zeros_like(paid) if dreamt.end is None else dreamt.end
    outlook = _outlook(world, account.earned, account.frames)
    return Paid(paid, torch.where(is_over, 1.0, end), outlook, account.decisions.excess)


def _outlook(world: World, earned: Tensor, frames: Tensor) -> Tensor:
    """(..., 2) for what was earned (...,) in so many frames (...,)."""
    time = 1 - frames / (world.max_decisions * world.action_repeat)
    if world.largest_return is None:
        return torch.stack([torch.ones_like(time), time], -1)
    left = world.largest_return.after(frames) - earned
    return torch.stack([left / world.largest_return.total, time], -1)
