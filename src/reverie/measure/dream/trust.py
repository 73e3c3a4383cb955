"""How long a dream can be trusted: whether it foresees more than a guess that knows nothing, along real drives.

Two guesses know nothing: that all stays as it was last seen, and that all looks as it does on average. A dream that is
told the actions that were really taken is nearer to what came of them than either, for a while. It is compared in V's
latents, so that nobody needs to know what is true of the world.

Shapes: n drives, t decisions, z latent, a action.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reverie.dream.replay import replay
from reverie.measure.statistics import confidence_interval
from reverie.models.mdn_rnn import Memory


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Root mean squared errors of latents after 1, 2, ... decisions."""

    dream: tuple[float, ...]
    """At temperature 0, told the actions."""
    still: tuple[float, ...]
    """Of the guess that all stays as it was last seen."""
    usual: tuple[float, ...]
    """Of the guess that all looks as on average over the drives."""
    decisions: int
    """For so many the dream beats the better guess: the 95% interval over drives of what it gains leaves out 0, here
    and for all shorter times. 0 where it never does."""

    @property
    def is_open(self) -> bool:
        """Whether it can be trusted for as long as was measured, and nobody knows how much longer."""
        return self.decisions == len(self.dream)


def measure_trust(memory: Memory, z: Tensor, act: Tensor, rew: Tensor, begins: Sequence[int], length: int) -> Trust:
    """Of dreams of `length` decisions that begin when M has watched `begins` decisions of drives: latents z
    (n, t + 1, z), actions (n, t, a) and rewards (n, t). Of each drive its dreams are averaged, since they are alike."""
    n, steps, _ = z.shape
    assert act.shape[:2] == rew.shape == (n, steps - 1), f"{tuple(act.shape)}, {tuple(rew.shape)} and {tuple(z.shape)}"
    assert max(begins) + length < steps, f"{steps - 1} decisions are too few to dream {length} from {max(begins)} on"
    prev_rew = torch.cat([rew.new_zeros(n, 1), rew], 1)
    usual = z.mean((0, 1))
    errors = np.zeros((3, n, length))
    for begin in begins:
        seen, end = begin + 1, begin + length
        dream = replay(memory, z[:, :seen], act[:, :end], temperature=0.0, prev_rew=prev_rew[:, :seen])
        real = z[:, seen : end + 1]
        guesses = (dream.z[:, seen : end + 1], z[:, begin, None], usual)
        errors += np.stack([(guess - real).square().mean(-1).cpu().numpy() for guess in guesses]) / len(begins)
    dreamt, still, average = errors
    better = np.where(still.mean(0) < average.mean(0), still, average)
    decisions = 0
    for gains in (better - dreamt).T:
        interval = confidence_interval(gains)
        if interval is None or interval[0] <= 0:
            break
        decisions += 1
    roots = [tuple(np.sqrt(values.mean(0)).tolist()) for values in errors]
    return Trust(dream=roots[0], still=roots[1], usual=roots[2], decisions=decisions)
