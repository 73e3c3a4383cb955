"""What decisions of a dream turned out to be worth.

Shapes: b dreams, t decisions.
"""

import torch
from torch import Tensor

PERCENTILES = (0.05, 0.95)
RATE = 0.01


def lambda_returns(rew: Tensor, discount: Tensor, value: Tensor, trace: float) -> Tensor:
    """Of rewards and discounts (b, t) and values before each decision and after the last (b, t + 1), the returns (b, t)
    from each decision on (Hafner et al. 2023, section "Critic learning"):

        R_i = r_i + d_i ((1 - trace) v_i+1 + trace R_i+1),  R_t = v_t.

    The discount of a decision that surely ends the dream is 0.
    """
    returns, after = list[Tensor](), value[:, -1]
    for i in reversed(range(rew.shape[1])):
        after = rew[:, i] + discount[:, i] * ((1 - trace) * value[:, i + 1] + trace * after)
        returns.append(after)
    return torch.stack(returns[::-1], 1)


def weights(discount: Tensor) -> Tensor:
    """How much decisions count (b, t), by the discounts (b, t) of those before: what comes after the end does not."""
    return torch.cat([torch.ones_like(discount[:, :1]), discount[:, :-1].cumprod(1)], 1)


class ReturnRange:
    """How far returns lie apart: from their 5th to their 95th percentile, as a slow mean over batches (Hafner et al.
    2023, section "Actor learning")."""

    def __init__(self) -> None:
        self.ends: Tensor | None = None
        """(2,), None before there was a batch."""
        self._percentiles = torch.tensor(PERCENTILES)

    def update(self, returns: Tensor) -> None:
        """Takes in a batch of returns, of any shape."""
        self._percentiles = self._percentiles.to(returns)
        now = torch.quantile(returns.detach().flatten(), self._percentiles)
        self.ends = now if self.ends is None else torch.lerp(self.ends, now, RATE)

    @property
    def scale(self) -> Tensor:
        """What advantages are divided by: small differences are not made larger than they are, so at least 1."""
        assert self.ends is not None, "there was no batch of returns yet"
        return (self.ends[1] - self.ends[0]).clamp(min=1)
