"""What the decisions of dreams are paid, when the dreams are over, and what is left to hope for.

Shapes: b dreams, t decisions.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from reverie.dream.accounting import settle
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


def pay(world: World, moments: Moments, dreamt: Trajectory, *, doubt_cut: float, doubt_cost: float) -> Paid:
    """Settles the decisions of dreams that began at `moments`. A dream is over where its members disagree by more than
    `doubt_cut` (0: never), and each decision costs `doubt_cost` times their disagreement."""
    assert dreamt.rew is not None, "this memory does not predict rewards"
    earned, frames = moments.earned, moments.frames
    rew, over, excess, outlooks = list[Tensor](), list[Tensor](), list[Tensor](), [_outlook(world, earned, frames)]
    for promised in dreamt.rew.unbind(1):
        now = settle(world, earned, frames, promised)
        earned, frames = earned + now.rew.detach(), frames + world.action_repeat
        rew.append(now.rew)
        over.append(now.end | now.trunc)
        excess.append(now.excess)
        outlooks.append(_outlook(world, earned, frames))
    paid, is_over = torch.stack(rew, 1), torch.stack(over, 1)
    if dreamt.doubt is not None:
        if doubt_cost:
            paid = paid - doubt_cost * dreamt.doubt
        if doubt_cut:
            is_over = is_over | (dreamt.doubt > doubt_cut)
    end = torch.zeros_like(paid) if dreamt.end is None else dreamt.end
    return Paid(paid, torch.where(is_over, 1.0, end), torch.stack(outlooks, 1), torch.stack(excess, 1))


def _outlook(world: World, earned: Tensor, frames: Tensor) -> Tensor:
    """(b, 2)"""
    time = 1 - frames / (world.max_decisions * world.action_repeat)
    if world.largest_return is None:
        return torch.stack([torch.ones_like(time), time], -1)
    left = world.largest_return.total - world.largest_return.frame_cost * frames - earned
    return torch.stack([left / world.largest_return.total, time], -1)
