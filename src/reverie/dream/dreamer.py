"""Many dreams side by side: M as the world, step by step.

Shapes: n dreams, b of them, z latent, a action.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from reverie.dream.ensemble import Member, Watchers, disagreement, of_each
from reverie.dream.starts import DREAM, Starts, World, load_starts
from reverie.errors import UserError
from reverie.models.files import MEMORY, load_members, load_models, numbered
from reverie.models.mdn_rnn import Memory, MemoryState
from reverie.models.vision import Vision


@dataclass(frozen=True, kw_only=True)
class DreamConfig:
    """How a dream is dreamt."""

    temperature: float = 1.0
    """Of the mixture that z is drawn from: 0 takes the mean of the heaviest normal, above 1 the dream is wilder."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Arithmetic of M's matrix products."""
    members: Literal["first", "random"] = "first"
    """Of an ensemble, whose z, reward and end come true: the first M's, or at every decision of every dream those of a
    member drawn for it (TS1 of Chua et al. 2018), at temperature 0 too. C always reads the first one's state."""


class DreamStep(NamedTuple):
    """What came of a decision in n dreams."""

    z: Tensor
    """(n, z)"""
    rew: Tensor
    """(n,) expected reward, in units of the environment."""
    end: Tensor
    """(n,) bool: the dreamt world ended the episode."""
    doubt: Tensor | None
    """(n,) how far the members of the ensemble disagree about z; None for a single M."""


class Dreamer:
    """n dreams that begin at moments of the bank `starts` and go on by what M expects. Chance comes from `generator`,
    which lives on M's device. Further `members` of an ensemble say how much to believe; where `config.members` is
    "first", they change nothing."""

    def __init__(
        self,
        memory: Memory,
        starts: Starts,
        num: int,
        config: DreamConfig,
        generator: torch.Generator,
        members: Sequence[Member] = (),
    ) -> None:
        if not 0 <= config.temperature < math.inf:
            raise UserError(f"the temperature of a dream must be 0 or more, not {config.temperature:g}")
        require_one_of("precision", config.precision, ("fp32", "bf16"))
        require_one_of("members", config.members, ("first", "random"))
        if config.members == "random" and not members:
            raise UserError(
                "members 'random' needs an ensemble, and this run has one M: train it with memory.members = 2 or more"
            )
        if not memory.reward.num_outputs:
            raise UserError(
                "this M does not predict rewards, so its dream is no world to act in: train it with "
                "memory.model.reward.head = 'two_hot', 'value' or 'sign'"
            )
        self.memory = memory.eval().requires_grad_(False)
        self.starts = starts.to(generator.device)
        self.config = config
        self.generator = generator
        self.num = num
        self.z = self.starts.z[:1].repeat(num, 1)
        self.rew = self.starts.rew[:1].repeat(num)
        self.state = self.starts.state.select(torch.zeros(num, dtype=torch.long, device=generator.device))
        self._watchers = Watchers(members, num, generator.device)

    @torch.inference_mode()
    def reset(self, rows: Tensor) -> None:
        """Begins anew in `rows` (n,) bool, each at a moment drawn from the bank."""
        drawn = torch.randint(len(self.starts), (self.num,), generator=self.generator, device=self.generator.device)
        self._put(rows, drawn)

    @torch.inference_mode()
    def begin(self, moments: Tensor) -> None:
        """Begins every dream at the moment of the bank with its number in `moments` (n,)."""
        self._put(torch.ones_like(moments, dtype=torch.bool), moments)

    def _put(self, rows: Tensor, drawn: Tensor) -> None:
        self.z = torch.where(rows[:, None], self.starts.z[drawn], self.z)
        self.rew = torch.where(rows, self.starts.rew[drawn], self.rew)
        self.state = self.state.replaced(rows, self.starts.state.select(drawn))
        self._watchers.begin(rows, drawn)

    @torch.inference_mode()
    def step(self, act: Tensor) -> DreamStep:
        """One decision in every dream: act (n, a). A dream that ended must be reset; else it goes on, meaninglessly."""
        config, memory = self.config, self.memory
        with torch.autocast(act.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            state = memory.step(self.z, act, self.state, self.rew)
            expected = memory.predict(state.top, self.z)
            others = self._watchers.step(self.z, act, self.rew)
        doubt = None
        if others:
            every = [expected, *others]
            doubt = disagreement(torch.stack([one.z.mean() for one in every]))
            if config.members == "random":
                drawn = torch.randint(len(every), (self.num,), generator=self.generator, device=self.generator.device)
                expected = of_each(every, drawn)
        assert expected.reward is not None
        self.state = MemoryState(state.h.float(), state.c.float())
        self.z = expected.z.sample(config.temperature, self.generator)
        self.rew = expected.reward
        if expected.end_logit is None:
            return DreamStep(self.z, self.rew, torch.zeros_like(self.rew, dtype=torch.bool), doubt)
        chance = torch.rand(self.rew.shape, generator=self.generator, device=self.rew.device)
        threshold = chance if config.temperature else torch.full_like(chance, 0.5)
        return DreamStep(self.z, self.rew, torch.sigmoid(expected.end_logit) > threshold, doubt)


def require_one_of(name: str, value: object, known: Iterable[object]) -> None:
    """Raises UserError where a setting is none of those there are."""
    if value not in known:
        raise UserError(f"{name} {value!r} is not one of {', '.join(map(str, known))}")


class Dreams(NamedTuple):
    """What it takes to dream, from a run's folder."""

    vision: Vision
    memory: Memory
    starts: Starts
    world: World
    members: tuple[Member, ...] = ()
    """Further members of the ensemble, where M has some."""


def load_dreams(folder: Path) -> Dreams:
    """V, M with its ensemble and the bank of starts in `folder`. Raises UserError where one is missing, damaged, or not
    made from the others."""
    vision, memory = load_models(folder)
    starts, world = load_starts(folder / DREAM, folder / MEMORY)
    members = []
    for i, member in enumerate(load_members(folder), 1):
        path = folder / numbered(DREAM, i)
        theirs, _ = load_starts(path, folder / numbered(MEMORY, i))
        if member.config != memory.config or not torch.equal(theirs.z, starts.z):
            raise UserError(
                f"{path} is of another ensemble than {folder / DREAM}: take all members from the same run, or train "
                f"them anew with `reverie memory --run {folder} --again`"
            )
        members.append(Member(memory=member, starts=theirs))
    return Dreams(vision.eval(), memory.eval(), starts, world, tuple(members))
