"""Planning: at each real decision, dream of many sequences of actions, and do the first of what came out best.

The cross-entropy method with elites weighed as in MPPI (Williams et al. 2017, arXiv 1509.01149; as TD-MPC has it,
Hansen et al. 2022, arXiv 2203.04955): sequences are drawn about the last plan, the best become the next mean and
spread. It needs M alone and no training. Where there is a C, a sequence is what is added to its outputs, so that the
plan that does nothing is C, which then also drives on beyond the plan's horizon.

Shapes: k samples, d dreams of each, t decisions of the plan, o outputs of which an action is made, a action, z latent,
p parameters of a controller.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor

from reverie.agent import Agent, full_rows
from reverie.dream.accounting import settle_all
from reverie.dream.ensemble import Member
from reverie.dream.imagine import (
    Decision,
    DreamConfig,
    DreamPolicy,
    Trajectory,
    draw_noise,
    imagine,
    require_rewards,
)
from reverie.dream.moments import Moments, World
from reverie.errors import UserError
from reverie.models.controller import Controller
from reverie.models.mdn_rnn import Memory, MemoryState
from reverie.seeding import torch_generator
from reverie.types import NotNegative, Positive

_LEAST_SPREAD = 0.05
"""Of that at the beginning: a search that has closed in goes on looking about."""


@dataclass(frozen=True, kw_only=True)
class PlanConfig:
    """How a plan is made. Raises UserError where that makes no sense."""

    samples: Annotated[int, Ge(2), Le(100_000)] = 64
    """Sequences of actions that are dreamt of in each iteration."""
    horizon: Annotated[int, Gt(0), Le(1000)] = 20
    """Decisions of a sequence."""
    tail: Annotated[int, Ge(0), Le(1000)] = 0
    """Decisions that C goes on for beyond it; with `follow` only."""
    iterations: Annotated[int, Gt(0), Le(100)] = 2
    """Times that samples are drawn about the best so far."""
    elites: Positive = 8
    """Sequences of an iteration, the best, that make the next mean and spread."""
    greed: Annotated[float, Ge(0), Le(1e6)] = 1.0
    """An elite weighs exp(greed * its return), as in MPPI, counted in deviations of the samples' returns; 0 lets all
    weigh the same."""
    spread: Annotated[float, Gt(0), Le(100)] = 1.0
    """Deviation of the first samples from the plan, in outputs of C before they are squashed into an action."""
    hold: Annotated[float, Ge(1), Le(1000)] = 4.0
    """Decisions over which that noise forgets: 1 draws each decision's anew."""
    dreams: Positive = 1
    """Of each sequence; its worth is their mean. All sequences are dreamt with the same chance."""
    temperature: Annotated[float, Ge(0), Le(100)] = 0.5
    """Of the dreams, see `DreamConfig`."""
    members: Literal["first", "random"] = "first"
    """Of an ensemble, see `DreamConfig`."""
    follow: bool = True
    """Whether C is the first guess, where there is one; else the plan begins with outputs of 0."""
    seed: NotNegative = 0
    """Of samples and dreams."""

    def __post_init__(self) -> None:
        if self.elites > self.samples:
            raise UserError(f"{self.elites} elites of {self.samples} samples: ask for as many samples at least")
        if self.tail and not self.follow:
            raise UserError("a plan that does not follow C has no tail: leave out tail, or set follow=true")
        self.dreaming  # noqa: B018 (says what is wrong with it)

    @property
    def dreaming(self) -> DreamConfig:
        """How its dreams are dreamt."""
        return DreamConfig(temperature=self.temperature, members=self.members)


class Planner:
    """Plans decisions in the dreams of an ensemble, or of a single M; C is told by its `controller` and `params` (p,),
    None where no plan follows one."""

    def __init__(
        self,
        memories: Sequence[Memory],
        world: World,
        controller: Controller,
        params: Tensor | None,
        config: PlanConfig,
    ) -> None:
        """Raises UserError where M cannot tell what a decision is worth, or there is nobody to draw."""
        require_rewards(memories[0])
        config.dreaming.require_members(memories[1:])
        self.memories = memories if config.members == "random" else memories[:1]
        """The first, and those whose word may count."""
        self.world, self.controller, self.params, self.config = world, controller, params, config

    def nothing(self) -> Tensor:
        """The plan (t, o) that adds nothing."""
        return torch.zeros(self.config.horizon, self.controller.actions.num_outputs, device=self.memories[0].device)

    def actions(self, z: Tensor, state: MemoryState, offsets: Tensor | None = None) -> Tensor:
        """Actions (b, a) at latents z (b, z): of C's outputs, or 0, and what the plan adds to them (b, o)."""
        if self.params is None:
            outputs = z.new_zeros(len(z), self.controller.actions.num_outputs)
        else:
            outputs = self.controller.outputs(self.params, z, state)
        return self.controller.actions.from_outputs(outputs if offsets is None else outputs + offsets)

    @torch.inference_mode()
    def plan(
        self,
        z: Tensor,
        rew: Tensor,
        states: Sequence[MemoryState],
        offsets: Tensor,
        so_far: tuple[float, int],
        chance: torch.Generator,
    ) -> Tensor:
        """Betters the plan `offsets` (t, o) at one moment: z (1, z), the reward rew (1,) that came with it, the state
        of each of `memories`, and what the episode has earned, in how many frames."""
        config = self.config
        mean, spread = offsets, torch.full_like(offsets, config.spread)
        for _ in range(config.iterations):
            samples = mean + spread * self._smooth_noise(chance, *offsets.shape)
            samples[0], samples[-1] = mean, 0.0  # the plan as it is, and C as it is
            returns = self._returns(z, rew, states, samples, so_far, chance)
            best, index = returns.topk(config.elites)
            weights = torch.softmax(config.greed * best / returns.std().clamp(min=1e-6), 0)
            mean = torch.einsum("k,kto->to", weights, samples[index])
            spread = torch.einsum("k,kto->to", weights, (samples[index] - mean).square()).sqrt()
            spread = spread.clamp(min=_LEAST_SPREAD * config.spread)
        return mean

    def _smooth_noise(self, chance: torch.Generator, t: int, o: int) -> Tensor:
        """(k, t, o) of deviation 1, correlated along t."""
        fresh = torch.randn(self.config.samples, t, o, generator=chance, device=chance.device)
        keep = 1 - 1 / self.config.hold
        smooth = [fresh[:, 0]]
        for i in range(1, t):
            smooth.append(keep * smooth[-1] + (1 - keep**2) ** 0.5 * fresh[:, i])
        return torch.stack(smooth, 1)

    def _returns(
        self,
        z: Tensor,
        rew: Tensor,
        states: Sequence[MemoryState],
        samples: Tensor,
        so_far: tuple[float, int],
        chance: torch.Generator,
    ) -> Tensor:
        """What the sequences (k, t, o) are promised, mean over their dreams (k,)."""
        config, k = self.config, len(samples)
        length, b = config.horizon + config.tail, k * config.dreams
        noise = draw_noise(self.memories[0], config.dreams, length, chance, len(self.memories))
        each = torch.arange(config.dreams, device=z.device).repeat(k)  # all sequences have the same chance
        first, *others = (
            Moments(
                z=z.expand(b, -1),
                state=MemoryState(state.h.expand(b, -1, -1), state.c.expand(b, -1, -1)),
                rew=rew.expand(b),
                earned=z.new_full((b,), so_far[0]),
                frames=torch.full((b,), so_far[1], device=z.device),
            )
            for state in states
        )
        members = [Member(memory=one, moments=at) for one, at in zip(self.memories[1:], others, strict=True)]
        policy = self._policy(samples.repeat_interleave(config.dreams, 0))
        dreamt = imagine(
            self.memories[0], policy, first, length, config.dreaming, chance=noise.select(each), members=members
        )
        return dreamt_returns(dreamt, self.world, first).reshape(k, config.dreams).mean(1)

    def _policy(self, offsets: Tensor) -> DreamPolicy:
        """Does what the plans (b, t, o) say, and then what C does."""
        left = iter(offsets.unbind(1))
        return lambda z, state: Decision(self.actions(z, state, next(left, None)))


def dreamt_returns(dreamt: Trajectory, world: World, begun: Moments) -> Tensor:
    """What b dreams that began at such moments are worth, (b,): each decision's reward as the world settles it, times
    the probability that the episode still goes on."""
    assert dreamt.rew is not None, "this dream has no rewards"
    paid = settle_all(world, begun, dreamt.rew).decisions
    goes_on = (~(paid.end | paid.trunc)).float()
    if dreamt.end is not None:
        goes_on = goes_on * (1 - dreamt.end)
    alive = torch.cat([torch.ones_like(goes_on[:, :1]), goes_on[:, :-1].cumprod(1)], 1)
    return (alive * paid.rew).sum(1)


class PlanPolicy:
    """V and M of an agent at the wheel, and a plan instead of C; `params` (1, p) is the C that plans follow, where
    they do. Further `members` are those of M's ensemble. Each row plans by itself, by chance of its own, so that it
    drives as it would alone."""

    def __init__(
        self, agent: Agent, params: np.ndarray, *, world: World, config: PlanConfig, members: Sequence[Memory] = ()
    ) -> None:
        """Raises UserError where this M cannot be planned in."""
        self.agent = agent
        first = (
            torch.from_numpy(np.ascontiguousarray(params[0], np.float32)).to(agent.device) if config.follow else None
        )
        self.planner = Planner((agent.memory, *members), world, agent.controller, first, config)

    def reset(self, seeds: Sequence[int]) -> None:
        """A fresh state, no plan and chance of its own for each row."""
        self.states = [one.initial_state(len(seeds)) for one in self.planner.memories]
        self._offsets = [self.planner.nothing() for _ in seeds]
        self._chance = [
            torch_generator(self.planner.config.seed, "plan", seed, device=self.agent.device) for seed in seeds
        ]
        self._earned, self._frames = np.zeros(len(seeds)), 0

    @property
    def state(self) -> MemoryState:
        """M's, (b, l, h)."""
        return self.states[0]

    @torch.inference_mode()
    def act(self, obs: np.ndarray, prev_rew: np.ndarray) -> np.ndarray:
        """Actions (b, a)."""
        b = len(obs)
        self._earned += prev_rew
        device = self.agent.device
        rows = full_rows(b).to(device)
        z = self.agent.encode(torch.from_numpy(obs).to(device)[rows]).float()
        rew = torch.from_numpy(prev_rew).to(device, torch.float32)[rows]
        states = [state.select(rows) for state in self.states]
        act = torch.cat([self._decide(i, z, rew, states) for i in range(b)])[rows]
        memories = zip(self.planner.memories, states, strict=True)
        self.states = [memory.step(z, act, state, rew).first(b) for memory, state in memories]
        self._frames += self.planner.world.action_repeat
        return act[:b].cpu().numpy()

    def _decide(self, i: int, z: Tensor, rew: Tensor, states: Sequence[MemoryState]) -> Tensor:
        """The action (1, a) of a row."""
        row = torch.tensor([i], device=self.agent.device)
        here = [state.select(row) for state in states]
        so_far = (float(self._earned[i]), self._frames)
        plan = self.planner.plan(z[row], rew[row], here, self._offsets[i], so_far, self._chance[i])
        self._offsets[i] = torch.cat([plan[1:], torch.zeros_like(plan[:1])])
        return self.planner.actions(z[row], here[0], plan[:1])

    def keep(self, mask: np.ndarray) -> None:
        """Drops the rows that ended."""
        kept = torch.from_numpy(np.flatnonzero(mask)).to(self.agent.device)
        self.states = [state.select(kept) for state in self.states]
        self._offsets, self._chance = ([one[i] for i in kept.tolist()] for one in (self._offsets, self._chance))
        self._earned = self._earned[mask]
