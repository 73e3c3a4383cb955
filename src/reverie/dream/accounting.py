"""What a dreamt decision is paid, and when a dream is over because the world itself would be.

M has no notion of all that there is to earn: its road goes on, and a dream of fixed length pays for speed without
limit. The world has: in CarRacing the tiles of a track are worth 1,000 together, and each frame costs 0.1. So every
dream knows how much its episode had earned, in how many frames, when it began (`Moments.earned`, `.frames`), and goes
on counting. Where no penalty came, earned + frame_cost * frames is the worth of the tiles so far. After a penalty, such
as the 100 that leaving CarRacing's field costs, it is less, and the bound is looser than it need be, but still true.

Shapes: b dreams, t decisions.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from reverie.dream.moments import Moments, World

ROUNDING = 1e-3
"""Share of all there is to earn by which a sum may miss the bound before it counts as beyond."""


class Settled(NamedTuple):
    """What one decision in b dreams comes to."""

    rew: Tensor
    """(b,) what is paid: never more than is left to earn."""
    end: Tensor
    """(b,) bool: all there is to earn is earned, so the world would end the episode."""
    trunc: Tensor
    """(b,) bool: the world's time is up, whether or not the episode ended with this decision."""
    excess: Tensor
    """(b,) >= 0: what M promised beyond what was left to earn; 0 where it is within rounding."""


def settle(world: World, earned: Tensor, frames: Tensor, rew: Tensor) -> Settled:
    """Settles a decision for which M promises rew (b,), in episodes that had earned (b,) in frames (b,) before it.

    Where nobody knows the largest return, all is paid, and only time ends a dream.
    """
    after = frames + world.action_repeat
    is_late = after >= world.max_decisions * world.action_repeat
    if world.largest_return is None:
        return Settled(rew, torch.zeros_like(is_late), is_late, torch.zeros_like(rew))
    left = world.largest_return.after(after) - earned
    excess = rew - left
    end = excess >= 0
    return Settled(
        rew=torch.minimum(rew, left),
        end=end,
        trunc=is_late,
        excess=torch.where(excess > ROUNDING * world.largest_return.total, excess, torch.zeros_like(excess)),
    )


class Account(NamedTuple):
    """What t decisions in b dreams come to."""

    decisions: Settled
    """(b, t) each, beyond the end, too."""
    earned: Tensor
    """(b, t + 1) in the episode before each decision and after the last, without a gradient."""
    frames: Tensor
    """(b, t + 1) of the episode until then."""


def settle_all(world: World, begun: Moments, promised: Tensor) -> Account:
    """Settles decisions one after the other for which M promises (b, t), in dreams that began at such moments."""
    earned, frames, found = [begun.earned], [begun.frames], list[Settled]()
    for rew in promised.unbind(1):
        found.append(settle(world, earned[-1], frames[-1], rew))
        earned.append(earned[-1] + found[-1].rew.detach())
        frames.append(frames[-1] + world.action_repeat)
    decisions = Settled(*(torch.stack(parts, 1) for parts in zip(*found, strict=True)))
    return Account(decisions, torch.stack(earned, 1), torch.stack(frames, 1))
