"""Numbers as weights of bins (Hafner et al. 2023, section "Critic learning"): a head says how likely each size is, and
their mean is what it expects, whatever the shape of the distribution.

Shapes: `...` any leading dimensions, n bins.
"""

import torch
from torch import Tensor


def symexp_bins(num: int, limit: float) -> Tensor:
    """(num,) evenly spaced in symlog, from -symexp(limit) to symexp(limit), on the processor whatever device a model is
    made on: its arithmetic on `meta` would load torch's compiler, 1.2 s of every process that reads a model."""
    spaced = torch.linspace(-limit, limit, num, device="cpu")
    return torch.sign(spaced) * torch.expm1(spaced.abs())


def expected(logits: Tensor, bins: Tensor) -> Tensor:
    """Logits (..., n) -> the mean (...,)."""
    return (torch.softmax(logits, -1) * bins).sum(-1)


def cross_entropy(logits: Tensor, values: Tensor, bins: Tensor) -> Tensor:
    """Logits (..., n) against values (...,): nats (...,)."""
    return -(two_hot(values, bins) * torch.log_softmax(logits, -1)).sum(-1)


def two_hot(values: Tensor, bins: Tensor) -> Tensor:
    """Values (...,) -> weights (..., n) of the two nearest bins, whose mean is the value; beyond the bins, of the
    outermost."""
    above = torch.searchsorted(bins, values.contiguous()).clamp(1, len(bins) - 1)
    low, high = bins[above - 1], bins[above]
    share = ((values - low) / (high - low)).clamp(0, 1)
    target = values.new_zeros(*values.shape, len(bins))
    target.scatter_(-1, (above - 1).unsqueeze(-1), (1 - share).unsqueeze(-1))
    return target.scatter_(-1, above.unsqueeze(-1), share.unsqueeze(-1))
