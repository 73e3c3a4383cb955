"""What is done to fitness before a strategy learns from it."""

from typing import Any

import numpy as np

from reverie.evolution.strategy import Vectors


def penalised(fitness: Vectors, candidates: Vectors, weight_decay: float) -> Vectors:
    """Fitness (n,) less `weight_decay` times the mean square of each candidate's weights (n, p): large ones cost."""
    return fitness - weight_decay * np.square(candidates).mean(1) if weight_decay else fitness


def centered_ranks(fitness: Vectors) -> Vectors:
    """Ranks (n,) spread evenly over [-0.5, 0.5], best last and equals equal (Salimans et al. 2017, section 2)."""
    _, which, counts = np.unique(fitness, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts + 1) / 2
    return (ranks / max(len(fitness) - 1, 1) - 0.5)[which]


def standardised(fitness: Vectors) -> Vectors:
    """Fitness (n,) with mean 0 and standard deviation 1; zeros where it is the same for all."""
    std = fitness.std()
    return (fitness - fitness.mean()) / std if std > 0 else np.zeros_like(fitness)


def annealed(value: Any, decay: float, floor: float) -> Any:
    """`value`, a number or a vector, times `decay`, but not below `floor`; what began below it stays."""
    return np.maximum(value * decay, np.minimum(value, floor))
