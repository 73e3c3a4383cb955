"""Many dreams side by side: M as the world, step by step.

Shapes: n dreams, b of them, z latent, a action.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from reverie.devices import survive_forks
from reverie.dream.accounting import settle
from reverie.dream.ensemble import Member
from reverie.dream.imagine import DreamConfig, has_ended, require_rewards, step
from reverie.dream.moments import DREAM, Moments, World, load_moments
from reverie.errors import UserError
from reverie.models.files import MEMORY, load_members, load_models, numbered
from reverie.models.mdn_rnn import Memory
from reverie.models.vision import Vision


class DreamStep(NamedTuple):
    """What came of a decision in n dreams."""

    z: Tensor
    """(n, z)"""
    rew: Tensor
    """(n,) what is paid, in units of the environment: the expected reward, but never more than is left to earn."""
    end: Tensor
    """(n,) bool: the dreamt world ended the episode."""
    trunc: Tensor
    """(n,) bool: its time is up."""
    excess: Tensor
    """(n,) what M promised beyond what was left to earn."""
    doubt: Tensor | None
    """(n,) how far the members of the ensemble disagree about z; None for a single M."""


class Dreamer:
    """n dreams that begin at some of `moments` and go on by what M expects. Chance comes from `generator`,
    which lives on M's device. Further `members` of an ensemble say how much to believe; where `config.members` is
    "first", they change nothing. With a `world`, dreams are paid and end as it would have them (see `accounting`);
    without, they are paid what M promises, and only M's end head ends them."""

    def __init__(
        self,
        memory: Memory,
        moments: Moments,
        num: int,
        config: DreamConfig,
        generator: torch.Generator,
        members: Sequence[Member] = (),
        world: World | None = None,
    ) -> None:
        config.require_members(members)
        require_rewards(memory)
        self.memory = memory.eval().requires_grad_(False)
        self.moments = moments.to(generator.device)
        self.members = [one.to(generator.device) for one in members]
        self.config = config
        self.world = world
        self.generator = generator
        self.num = num
        self.z = self.moments.z[:1].repeat(num, 1)
        self.rew, self.earned, self.frames = (
            of[:1].repeat(num) for of in (self.moments.rew, self.moments.earned, self.moments.frames)
        )
        """What M promised last (n,), and the return and the frames so far of the episodes (n,)."""
        nobody = torch.zeros(num, dtype=torch.long, device=generator.device)
        self.state = self.moments.state.select(nobody)
        self.others = tuple(one.moments.state.select(nobody) for one in self.members)
        """States of the further members."""

    @torch.inference_mode()
    def reset(self, rows: Tensor) -> None:
        """Begins anew in `rows` (n,) bool, each at a moment drawn from the bank."""
        self.begin(self.draw(), rows)

    def draw(self) -> Tensor:
        """Numbers (n,) of moments of the bank, each as likely as another."""
        return torch.randint(len(self.moments), (self.num,), generator=self.generator, device=self.generator.device)

    @torch.inference_mode()
    def begin(self, numbers: Tensor, rows: Tensor | None = None) -> None:
        """Begins every dream, or those in `rows` (n,) bool, at the moment of the bank with its number in `numbers`
        (n,)."""
        rows = torch.ones_like(numbers, dtype=torch.bool) if rows is None else rows
        self.z = torch.where(rows[:, None], self.moments.z[numbers], self.z)
        for name in ("rew", "earned", "frames"):
            setattr(self, name, torch.where(rows, getattr(self.moments, name)[numbers], getattr(self, name)))
        self.state = self.state.replaced(rows, self.moments.state.select(numbers))
        fresh = (one.moments.state.select(numbers) for one in self.members)
        self.others = tuple(old.replaced(rows, new) for old, new in zip(self.others, fresh, strict=True))

    @torch.inference_mode()
    def step(self, act: Tensor) -> DreamStep:
        """One decision in every dream: act (n, a). A dream that ended must be reset; else it goes on, meaninglessly."""
        memories = [self.memory, *(one.memory for one in self.members)]
        states = (self.state, *self.others)
        now = step(memories, states, self.z, self.rew, act, self.config, self.generator)
        assert now.rew is not None
        self.z, self.rew, (self.state, *others) = now.z, now.rew, now.states
        self.others = tuple(others)
        end = torch.zeros_like(now.rew, dtype=torch.bool)
        if now.end_logit is not None:
            chance = torch.rand(now.rew.shape, generator=self.generator, device=now.rew.device)
            end = has_ended(now.end_logit, chance, self.config.temperature)
        if self.world is None:
            return DreamStep(now.z, now.rew, end, torch.zeros_like(end), torch.zeros_like(now.rew), now.doubt)
        paid = settle(self.world, self.earned, self.frames, now.rew)
        self.earned, self.frames = self.earned + paid.rew, self.frames + self.world.action_repeat
        return DreamStep(now.z, paid.rew, end | paid.end, paid.trunc, paid.excess, now.doubt)


class Dreams(NamedTuple):
    """What it takes to dream, from a run's folder."""

    vision: Vision
    memory: Memory
    moments: Moments
    world: World
    members: tuple[Member, ...] = ()
    """Further members of the ensemble, where M has some."""

    @property
    def ensemble(self) -> tuple[Member, ...]:
        """All members, the first M too."""
        return (Member(memory=self.memory, moments=self.moments), *self.members)


def load_dreams(folder: Path, device: torch.device | str = "cpu") -> Dreams:
    """V, M with its ensemble and the bank of moments in `folder`, on a device. Raises UserError where one is missing,
    damaged, or not made from the others."""
    survive_forks()
    vision, memory = load_models(folder, device)
    moments, world = load_moments(folder / DREAM, folder / MEMORY)
    members = []
    for i, member in enumerate(load_members(folder, device), 1):
        path = folder / numbered(DREAM, i)
        theirs, _ = load_moments(path, folder / numbered(MEMORY, i))
        if member.config != memory.config or not torch.equal(theirs.z, moments.z):
            raise UserError(
                f"{path} is of another ensemble than {folder / DREAM}: take all members from the same run, or train "
                f"them anew with `reverie memory --run {folder} --again`"
            )
        members.append(Member(memory=member, moments=theirs.to(device)))
    return Dreams(vision.eval(), memory.eval(), moments.to(device), world, tuple(members))
