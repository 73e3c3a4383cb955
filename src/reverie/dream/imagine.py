"""Imagination: what M expects to come of a policy's decisions, as a pure function that can be differentiated.

`Dreamer`, which holds many dreams from one decision to the next, and `replay`, along known actions, take the same step.

Shapes: b dreams, t decisions, z latent, a action, l layers, h hidden, p parameters of a controller.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from reverie.devices import Precision, autocast
from reverie.dream.ensemble import Member, disagreement, of_each
from reverie.dream.moments import Moments
from reverie.errors import UserError
from reverie.models.controller import Controller
from reverie.models.distributions import Mixture, MixtureNoise
from reverie.models.mdn_rnn import Memory, MemoryState


@dataclass(frozen=True, kw_only=True)
class DreamConfig:
    """How a dream is dreamt. Raises UserError where that makes no sense."""

    temperature: float = 1.0
    """Of the mixture that z is drawn from: 0 takes the mean of the heaviest normal, above 1 the dream is wilder."""
    precision: Precision = "fp32"
    """Arithmetic of M's matrix products. Fewer than some 200 dreams at once are slower in bf16 than in fp32,
    and on a GPU more, too."""
    members: Literal["first", "random"] = "first"
    """Of an ensemble, whose z, reward and end come true: the first M's, or at every decision of every dream those of a
    member drawn for it (TS1 of Chua et al. 2018), at temperature 0 too. C always reads the first one's state."""

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise UserError(f"the temperature of a dream must be 0 or more, not {self.temperature:g}")
        require_one_of("precision", self.precision, get_args(Precision))
        require_one_of("members", self.members, ("first", "random"))

    def require_members(self, members: Sequence[object]) -> None:
        """Raises UserError where there is nobody to draw."""
        if self.members == "random" and not members:
            raise UserError(
                "members 'random' needs an ensemble, and this run has one M: train it with memory.members = 2 or more"
            )


def require_one_of(name: str, value: object, known: Iterable[object]) -> None:
    """Raises UserError where a setting is none of those there are."""
    if value not in known:
        raise UserError(f"{name} {value!r} is not one of {', '.join(map(str, known))}")


def require_rewards(memory: Memory) -> None:
    """Raises UserError where M does not say what a decision is worth."""
    if memory.config.reward.head == "none":
        raise UserError(
            "this M does not predict rewards, so its dream is no world to act in: train it with "
            "memory.model.reward.head = 'two_hot', 'value', 'sign' or 'constant'"
        )


class Decision(NamedTuple):
    """What a policy decides in b dreams."""

    act: Tensor
    """(b, a)"""
    logp: Tensor | None = None
    """(b,) log-probability of the action; None where nothing was drawn."""


DreamPolicy = Callable[[Tensor, MemoryState], Decision]
"""Decides by the latents (b, z) and M's state."""


def controlled(controller: Controller, params: Tensor) -> DreamPolicy:
    """C at the wheel; `params` (b, p) are each dream's own, or (1, p) the same in all."""

    def decide(z: Tensor, state: MemoryState) -> Decision:
        return Decision(controller.act(params.expand(len(z), -1), z, state))

    return decide


def recorded(act: Tensor) -> DreamPolicy:
    """The actions (b, t, a), one after the other, whatever is seen."""
    left = iter(act.unbind(1))
    return lambda z, state: Decision(next(left))  # noqa: ARG005 (it does not look)


class Noise(NamedTuple):
    """All the chance in t decisions of b dreams, so that others may dream with the same."""

    mixture: MixtureNoise
    """(b, t, 1, z or 1) and (b, t, z)"""
    member: Tensor | None
    """(b, t) whose word counts, where that is drawn."""

    def at(self, i: int) -> "Noise":
        """That of one decision."""
        return self._each(lambda part: part[:, i])

    def select(self, rows: Tensor) -> "Noise":
        """That of the dreams with the numbers `rows` (m,)."""
        return self._each(lambda part: part[rows])

    def to(self, device: torch.device) -> "Noise":
        """The same on another device."""
        return self._each(lambda part: part.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Noise":
        mixture = MixtureNoise(*map(change, self.mixture))
        return Noise(mixture, None if self.member is None else change(self.member))


def draw_noise(memory: Memory, b: int, t: int, generator: torch.Generator, num_members: int = 1) -> Noise:
    """Chance for t decisions of b dreams of an ensemble of so many."""
    weights = memory.z_size if memory.config.mixture == "per_dimension" else 1
    device = generator.device
    uniform = torch.rand(b, t, 1, weights, generator=generator, device=device)
    normal = torch.randn(b, t, memory.z_size, generator=generator, device=device)
    member = torch.randint(num_members, (b, t), generator=generator, device=device) if num_members > 1 else None
    return Noise(MixtureNoise(uniform, normal), member)


class Dreamt(NamedTuple):
    """What came of one decision in b dreams."""

    z: Tensor
    """(b, z)"""
    rew: Tensor | None
    """(b,) expected reward, or None where M has no head for it."""
    end_logit: Tensor | None
    """(b,) of the probability that the episode ends, or None where M has no head for it."""
    states: tuple[MemoryState, ...]
    """Of every member, after the decision."""
    mixture: Mixture
    """That z was drawn from."""
    doubt: Tensor | None
    """(b,) how far the members disagree about z; None for a single M."""


def step(
    memories: Sequence[Memory],
    states: Sequence[MemoryState],
    z: Tensor,
    rew: Tensor,
    act: Tensor,
    config: DreamConfig,
    chance: torch.Generator | Noise | None,
) -> Dreamt:
    """One decision act (b, a) at latents z (b, z), with which the rewards rew (b,) came.

    `states` are those of the members `memories`, before they read z. From a generator it draws the members, if they
    are drawn, and then what the mixture needs, unless the temperature is 0.
    """
    with autocast(act.device, config.precision):
        after = [memory.step(z, act, state, rew) for memory, state in zip(memories, states, strict=True)]
        every = [memory.predict(state.top, z) for memory, state in zip(memories, after, strict=True)]
    expected, doubt = every[0], None
    noise, generator = (chance, None) if isinstance(chance, Noise) else (None, chance)
    if len(every) > 1:
        doubt = disagreement(torch.stack([one.z.mean() for one in every]))
        if config.members == "random":
            who = (
                noise.member if noise else torch.randint(len(every), z.shape[:1], generator=generator, device=z.device)
            )
            assert who is not None, "this noise is of a single M: draw it for as many members as there are"
            expected = of_each(every, who)
    return Dreamt(
        z=expected.z.sample(config.temperature, generator, noise.mixture if noise else None),
        rew=expected.reward,
        end_logit=expected.end_logit,
        states=tuple(MemoryState(state.h.to(z.dtype), state.c.to(z.dtype)) for state in after),
        mixture=expected.z,
        doubt=doubt,
    )


def has_ended(end_logit: Tensor, chance: Tensor, temperature: float) -> Tensor:
    """Whether the dreamt world ends the episode, bool, by the logits and `chance` in [0, 1) of any one shape; at
    temperature 0, where that is more likely than not."""
    return torch.sigmoid(end_logit) > (chance if temperature else 0.5)


class Trajectory(NamedTuple):
    """t decisions in b dreams. They go on beyond their end: whoever reads them weighs by `end`."""

    z: Tensor
    """(b, t + 1, z) before each decision and after the last."""
    h: Tensor
    c: Tensor
    """(b, t + 1, l, h) M's state before each decision, which C reads, and after the last."""
    act: Tensor
    """(b, t, a)"""
    logp_act: Tensor | None
    """(b, t) log-probabilities of the actions; None for a policy that draws none."""
    logp_z: Tensor
    """(b, t) log densities that M, at temperature 1, gives the latents after each decision, summed over z."""
    rew: Tensor | None
    """(b, t) expected rewards in units of the environment, or None where M has no head for them."""
    end: Tensor | None
    """(b, t) probabilities that the decision ends the episode, or None where M has no head for it."""
    doubt: Tensor | None
    """(b, t) how far the members of an ensemble disagree; None for a single M."""

    def state(self, i: int) -> MemoryState:
        """M's before decision `i`."""
        return MemoryState(self.h[:, i], self.c[:, i])


def imagine(
    memory: Memory,
    policy: DreamPolicy,
    moments: Moments,
    horizon: int,
    config: DreamConfig | None = None,
    *,
    chance: torch.Generator | Noise | None = None,
    members: Sequence[Member] = (),
    through_model: bool = True,
) -> Trajectory:
    """Lets `policy` decide `horizon` times in dreams that begin at `moments`, one at each of its b moments.

    Differentiable: rewards, ends and latents by the policy's parameters, through M and its reparametrised draws; where
    `through_model` is False, the dream is taken as it came, and only the policy's own log-probabilities have a
    gradient. Chance comes from a generator on M's device, or is given, so that others can dream with the same; None is
    torch's own. Further `members` of an ensemble begin at their own `moments`, which are the same moments. Raises
    UserError where members are to be drawn and there are none.
    """
    assert horizon > 0, f"a dream has 1 decision or more, not {horizon}"
    config = config or DreamConfig()
    config.require_members(members)
    memories = [memory, *(one.memory for one in members)]
    states = tuple(one.state for one in (moments, *(member.moments for member in members)))
    z, rew = moments.z, moments.rew
    latents, hidden, decisions = [z], [states[0]], list[Decision]()
    logp_z, rewards, ends, doubts = (list[Tensor]() for _ in range(4))
    for i in range(horizon):
        decisions.append(policy(z, states[0]))
        act = decisions[-1].act if through_model else decisions[-1].act.detach()
        with torch.set_grad_enabled(through_model and torch.is_grad_enabled()):
            now = step(memories, states, z, rew, act, config, chance.at(i) if isinstance(chance, Noise) else chance)
            logp_z.append(now.mixture.log_prob(now.z))
            if now.rew is not None:
                rewards.append(rew := now.rew)
            if now.end_logit is not None:
                ends.append(torch.sigmoid(now.end_logit))
            if now.doubt is not None:
                doubts.append(now.doubt)
        z, states = now.z, now.states
        latents.append(z)
        hidden.append(states[0])
    logp_act = [one.logp for one in decisions if one.logp is not None]
    return Trajectory(
        z=torch.stack(latents, 1),
        h=torch.stack([state.h for state in hidden], 1),
        c=torch.stack([state.c for state in hidden], 1),
        act=torch.stack([one.act for one in decisions], 1),
        logp_act=stacked(logp_act),
        logp_z=torch.stack(logp_z, 1),
        rew=stacked(rewards),
        end=stacked(ends),
        doubt=stacked(doubts),
    )


def stacked(values: Sequence[Tensor]) -> Tensor | None:
    """Values of t decisions (b, ...) -> (b, t, ...); None where there are none."""
    return torch.stack(list(values), 1) if values else None
