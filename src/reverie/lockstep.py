"""The one loop that acts: episodes side by side, real or dreamt, decision by decision.

Whoever wants outcomes (`rollout`), pictures, a player at the wheel or a clock iterates over it.

Shapes: n episodes, b rows still running (b <= n), a action.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from reverie.errors import UserError

Obs = TypeVar("Obs")
Act = TypeVar("Act")
ObsSeen = TypeVar("ObsSeen", contravariant=True)
ObsGiven = TypeVar("ObsGiven", covariant=True)
ActTaken = TypeVar("ActTaken", contravariant=True)
ActGiven = TypeVar("ActGiven", covariant=True)

Progressed = Callable[[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]]
"""Whether decisions got on (b,), by their rewards, the returns with them and the best returns before, each (b,)."""


class Env(Protocol[ObsGiven, ActTaken]):
    """A batch of independent episodes, stepped by row: a `VectorEnv`, or dreams.

    What is observed of b rows is of any kind that can be indexed by a mask (b,) of them.
    """

    num_envs: int

    def reset(self, rows: Any, seeds: Any, starts: Any = None) -> ObsGiven:
        """Starts an episode in each of `rows`, as its seed says."""
        ...

    def step(self, rows: Any, act: ActTaken) -> Any:
        """One decision in each of `rows`: a `Transition`, or a tuple with the same names."""
        ...


class Acts(Protocol[ObsSeen, ActGiven]):
    """Whoever decides: see `reverie.policies.Policy`."""

    def reset(self, seeds: Sequence[int]) -> None:
        """Starts one episode a row."""
        ...

    def act(self, obs: ObsSeen, prev_rew: NDArray[np.float64]) -> ActGiven:
        """Decides in the rows that are still running, by what they see and the rewards that came with it."""
        ...

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Forgets the rows that ended."""
        ...


class Decided(NamedTuple, Generic[Obs, Act]):
    """One decision in the rows that were running."""

    rows: NDArray[np.int64]
    """(b,)"""
    obs: Obs
    """What was seen before."""
    act: Act
    step: Any
    """What came of it, a `Transition`; `trunc` is true, too, where a limit of the loop's cut the episode."""


class Lockstep(Generic[Obs, Act]):
    """An episode for each seed; iterating takes a decision in all that still run, until none does. Raises UserError
    where an action or a reward is no number.

    `max_decisions` cuts an episode after so many; `stall_decisions` after so many without progress, which is what
    `progressed` says. `starts` puts each of them elsewhere than its environment would.
    """

    def __init__(
        self,
        env: Env[Obs, Act],
        policy: Acts[Obs, Act],
        seeds: Sequence[int],
        *,
        starts: Sequence[Any] | None = None,
        max_decisions: int | None = None,
        stall_decisions: int | None = None,
        progressed: Progressed = lambda rew, ret, best: rew > 0,  # noqa: ARG005
    ) -> None:
        assert len(seeds) <= env.num_envs, f"{len(seeds)} episodes do not fit into {env.num_envs} environments"
        self.env, self.policy = env, policy
        self.max_decisions, self.stall_decisions, self.progressed = max_decisions, stall_decisions, progressed
        self.rows: NDArray[np.int64] = np.arange(len(seeds))
        """(b,) that still run."""
        self.decisions: NDArray[np.int64] = np.zeros(len(seeds), np.int64)
        """(n,) so far."""
        self._last_progress = np.zeros(len(seeds), np.int64)
        self._ret, self._best = np.zeros(len(seeds)), np.zeros(len(seeds))
        policy.reset(seeds)
        self.obs: Any = env.reset(self.rows, seeds, starts)
        """What the rows see now."""
        self.prev_rew: NDArray[np.float64] = np.zeros(len(seeds))
        """(b,) the rewards that came with it."""

    def __iter__(self) -> Iterator[Decided[Obs, Act]]:
        return self

    def __next__(self) -> Decided[Obs, Act]:
        rows, obs = self.rows, self.obs
        if not len(rows):
            raise StopIteration
        act: Any = self.policy.act(obs, self.prev_rew)
        if not math.isfinite(act.sum()):
            raise UserError(
                f"the driver's action became no number at decision {self.decisions[rows[0]]}: its weights are too "
                "large; train it again"
            )
        step = self.env.step(rows, act)
        if not np.isfinite(step.rew).all():
            raise UserError(
                f"a reward became no number at decision {self.decisions[rows[0]]}: where it is dreamt, train M again; "
                "else correct the environment"
            )
        self.decisions[rows] += 1
        self._note_progress(rows, step.rew)
        step = step._replace(trunc=step.trunc | (self._is_cut(rows) & ~step.end))
        going = ~(step.end | step.trunc)
        self.obs, self.prev_rew = step.obs, step.rew
        if not going.all():
            self.policy.keep(going)
            self.rows, self.obs, self.prev_rew = rows[going], step.obs[going], step.rew[going]
        return Decided(rows, obs, act, step)

    def _note_progress(self, rows: NDArray[np.int64], rew: NDArray[np.float64]) -> None:
        if not self.stall_decisions:
            return
        self._ret[rows] += rew
        got_on = self.progressed(rew, self._ret[rows], self._best[rows])
        self._last_progress[rows] = np.where(got_on, self.decisions[rows], self._last_progress[rows])
        self._best[rows] = np.maximum(self._best[rows], self._ret[rows])

    def _is_cut(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        cut = np.zeros(len(rows), bool)
        if self.stall_decisions:
            cut |= self.decisions[rows] - self._last_progress[rows] >= self.stall_decisions
        if self.max_decisions:
            cut |= self.decisions[rows] >= self.max_decisions
        return cut
