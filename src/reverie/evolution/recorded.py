"""A strategy with its record, from which the search can be run again without driving."""

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from reverie.errors import UserError
from reverie.evolution.shaping import penalised
from reverie.evolution.strategy import Pairs, Strategy, Vectors


class Recorded:
    """A `Strategy` that can be saved, and that penalises large weights before the one inside hears of fitness.

    What is kept is the fitness of every generation, where the center was moved to, and the generator's first state:
    all that a search depends on. To continue it, it is run again from its start (1 ms a generation at 600 to 900
    parameters, CMA-ES 15 to 50, or 3 if diagonal), which also gives the center after any generation.
    """

    def __init__(
        self,
        make: Callable[[], Strategy],
        rng: np.random.Generator,
        *,
        weight_decay: float = 0.0,
    ) -> None:
        """`make` gives a new strategy that draws from `rng` and from nothing else."""
        self._make, self._rng, self._weight_decay = make, rng, weight_decay
        self._first_rng = rng.bit_generator.state
        self._begin()

    def _begin(self) -> None:
        self._search = self._make()
        self._fitness: list[Vectors] = []
        self._moves: list[tuple[int, Vectors]] = []
        self._asked = False

    @property
    def center(self) -> Vectors:
        """The current best guess (p,)."""
        return self._search.center

    @property
    def spread(self) -> float:
        """The current step size."""
        return self._search.spread

    @property
    def pairs(self) -> Pairs:
        """The pair (n,) that each candidate of a generation belongs to."""
        return self._search.pairs

    def ask(self) -> Vectors:
        """Candidates (n, p) of the next generation."""
        self._asked = True
        return self._search.ask()

    def tell(self, candidates: Vectors, fitness: Vectors) -> None:
        """Takes the fitness (n,) of the candidates just asked for; higher is better."""
        fitness = np.array(fitness, np.float64)
        assert fitness.shape == (len(candidates),), f"fitness {fitness.shape} of {len(candidates)} candidates"
        assert np.isfinite(fitness).all(), f"fitness {fitness}"
        self._search.tell(candidates, penalised(fitness, candidates, self._weight_decay))
        self._fitness.append(fitness)
        self._asked = False

    def recenter(self, center: Vectors) -> None:
        """Goes on from `center` (p,) with the step size that was reached; only between two generations."""
        assert not self._asked, "recenter comes after tell, not between ask and tell"
        center = np.array(center, np.float64)
        assert center.shape == self.center.shape, f"center {center.shape} for {self.center.shape}"
        self._search.recenter(center)
        self._moves.append((len(self._fitness), center))

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and JSON values that say all there is to say between two generations.

        The fitness of every generation (g, n); where the center was moved to (m, p), and after how many generations;
        the generator's first state; center and spread, to compare a run from these with. A generation that was asked
        for and not told of is not part of it: it is asked for again.
        """
        fitness = np.array(self._fitness) if self._fitness else np.empty((0, 0))
        arrays = {"fitness": fitness, "center": self.center}
        values: dict[str, Any] = {"first_rng": copy.deepcopy(self._first_rng), "spread": self.spread}
        if self._moves:
            arrays["moved_to"] = np.array([center for _, center in self._moves])
            values["moved_after"] = [generation for generation, _ in self._moves]
        return arrays, values

    def load_state(
        self,
        arrays: dict[str, np.ndarray],
        values: dict[str, Any],
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Makes this the search that gave `state`, by running it again; `progress` hears how many generations are done.

        On the machine and versions that it was begun with, this is exact; elsewhere the last digits may differ. Raises
        UserError where more differs.
        """
        other = "the search was begun with other versions or settings: continue it with those, or begin it again"
        other += " (`--again`)"
        if not ({"fitness", "center"} <= set(arrays) and "first_rng" in values):
            raise UserError(other)
        if arrays["center"].shape != self.center.shape:
            raise UserError(other)
        moves: dict[int, list[Vectors]] = {}
        for generation, center in zip(values.get("moved_after", []), arrays.get("moved_to", ()), strict=True):
            moves.setdefault(generation, []).append(center)
        self._first_rng = copy.deepcopy(values["first_rng"])
        self._rng.bit_generator.state = self._first_rng
        self._begin()
        for done, fitness in enumerate([*arrays["fitness"], None]):
            for center in moves.get(done, ()):
                self.recenter(center)
            progress(done)
            if fitness is None:
                break
            candidates = self.ask()
            if len(candidates) != len(fitness):
                raise UserError(other)
            self.tell(candidates, fitness)
        spread = values.get("spread", self.spread)  # the oldest runs do not say
        if not math.isclose(self.spread, spread, rel_tol=1e-3):
            raise UserError(other)
        if not np.allclose(self.center, arrays["center"], rtol=0, atol=1e-3 * spread):
            raise UserError(other)
