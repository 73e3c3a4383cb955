"""Dreams as tracks: a seed names a whole dream, the moment that it begins at and all the chance in it.

So whoever dreams the same track has the same luck: candidates of a search differ by what they do alone, and a track is
as hard today as tomorrow. What a dream comes to does not depend on those beside it, but for last bits.

Shapes: n dreams, b of them still going, u different tracks, t decisions, z latent, a action.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reverie.dream.accounting import settle
from reverie.dream.ensemble import DoubtConfig, Member
from reverie.dream.imagine import DreamConfig, Noise, draw_noise, has_ended, require_rewards, step
from reverie.dream.moments import World
from reverie.dream.rollout import DreamObs, DreamTransition
from reverie.errors import UserError
from reverie.models.distributions import MixtureNoise
from reverie.models.mdn_rnn import MemoryState
from reverie.seeding import generator, torch_generator


class TrackNoise(NamedTuple):
    """All the chance in u tracks."""

    moment: Tensor
    """(u,) where they begin: a number of the bank."""
    noise: Noise
    """Of t decisions in each."""
    end: Tensor
    """(u, t) in [0, 1): a dream ends where the chance of its end is above this."""


def draw_tracks(seeds: Sequence[int], bank: Tensor, members: Sequence[Member], t: int) -> TrackNoise:
    """The chance in t decisions of the tracks with these seeds (u,), which begin at moments of `bank`: some of their
    numbers. It is drawn on the CPU, so that a track is the same on every device."""
    moments, noises, ends = [], list[Noise](), []
    for seed in seeds:
        moments.append(int(generator(seed, "dream track", "moment").integers(len(bank))))
        chance = torch_generator(seed, "dream track")
        noises.append(draw_noise(members[0].memory, 1, t, chance, len(members)))
        ends.append(torch.rand(1, t, generator=chance))
    uniform, normal = (torch.cat(parts) for parts in zip(*(noise.mixture for noise in noises), strict=True))
    member = torch.cat([noise.member for noise in noises if noise.member is not None]) if len(members) > 1 else None
    return TrackNoise(bank[moments], Noise(MixtureNoise(uniform, normal), member), torch.cat(ends))


def most_a_decision(world: World, pace: float) -> float:
    """What a decision is worth, on average, to who earns all there is `pace` times as fast as time demands. Raises
    UserError where nobody knows what there is to earn."""
    largest = world.largest_return
    if largest is None:
        raise UserError(
            f"controller.dream.pace needs the largest return, which these moments of {world.env_id} do not say: set it "
            "to 0"
        )
    return pace * largest.total / world.max_decisions - largest.frame_cost * world.action_repeat


class DreamTracks:
    """Dreams as the loop wants its environments, for `Lockstep`; all of them begin together.

    The first of `members` is the M whose state C reads. `speaks` is the number of the one whose word comes true, where
    that is always the same other one; else `config.members` says whose.
    """

    def __init__(
        self,
        members: Sequence[Member],
        world: World,
        config: DreamConfig,
        num_envs: int,
        *,
        bank: Tensor,
        decisions: int,
        speaks: int = 0,
        doubt: DoubtConfig | None = None,
        pace: float = 0.0,
    ) -> None:
        require_rewards(members[0].memory)
        self._members, self._world, self._speaks = members, world, speaks
        self._config = replace(config, members="random") if speaks else config
        self._bank, self._doubt = bank, doubt or DoubtConfig()
        self._rate = most_a_decision(world, pace) if pace else None
        self.num_envs, self.decisions = num_envs, decisions
        self.excess: NDArray[np.float64] = np.zeros(num_envs)
        """(n,) what M promised beyond what there was to earn, and was not paid."""

    @torch.inference_mode()
    def reset(self, rows: NDArray[np.int64], seeds: Sequence[int], starts: None = None) -> DreamObs:
        """Begins a dream in each of `rows`, as its seed says; none goes on from before."""
        assert starts is None, "a dream begins at a moment of its bank"
        device = self._members[0].moments.z.device
        unique, track = np.unique(np.asarray(seeds), return_inverse=True)
        drawn = draw_tracks(unique.tolist(), self._bank, self._members, self.decisions)
        noise = drawn.noise
        if self._speaks:
            noise = noise._replace(member=torch.full(drawn.end.shape, self._speaks))
        self._noise, self._end_chance = noise.to(device), drawn.end.to(device)
        self._track = torch.from_numpy(track).to(device)
        self._rows, self._decision = np.asarray(rows), 0
        number = drawn.moment.to(device)[self._track]
        first = self._members[0].moments
        self._z, self._rew, self._earned, self._frames = (
            of[number] for of in (first.z, first.rew, first.earned, first.frames)
        )
        self._states = tuple(one.moments.state.select(number) for one in self._members)
        self._got, self._paid = torch.zeros_like(self._rew), torch.zeros_like(self._rew)  # where there is a pace
        self.excess[rows] = 0.0
        return DreamObs(z=self._z, state=self._states[0])

    @torch.inference_mode()
    def step(self, rows: NDArray[np.int64], act: Tensor) -> DreamTransition:
        """One decision in `rows` by act (b, a); the others are over."""
        if len(rows) < len(self._rows):
            self._drop(rows)
        noise = self._noise.at(self._decision).select(self._track)
        memories = [one.memory for one in self._members]
        now = step(memories, self._states, self._z, self._rew, act, self._config, noise)
        assert now.rew is not None
        paid = settle(self._world, self._earned, self._frames, now.rew)
        self._earned, self._frames = self._earned + paid.rew, self._frames + self._world.action_repeat
        self._z, self._rew, self._states = now.z, now.rew, now.states
        end, trunc, rew = paid.end, paid.trunc, paid.rew
        if self._rate is not None:
            self._got = self._got + rew
            due = torch.where(end, self._got, self._got.clamp(max=self._rate * (self._decision + 1)))
            rew, self._paid = due - self._paid, due
        if now.end_logit is not None:
            chance = self._end_chance[self._track, self._decision]
            end = end | has_ended(now.end_logit, chance, self._config.temperature)
        if self._doubt:
            assert now.doubt is not None, "a single M has no doubt"
            rew = rew - self._doubt.cost * now.doubt
            trunc = trunc | (now.doubt > (self._doubt.cut or torch.inf))
        self._decision += 1
        ends, cuts, rewards, excess = (part.cpu().numpy() for part in (end, trunc & ~end, rew, paid.excess))
        self.excess[rows] += excess
        seen = DreamObs(z=self._z, state=self._states[0])
        return DreamTransition(seen, rewards, ends, cuts, np.zeros(len(rows), np.int64))

    def _drop(self, rows: NDArray[np.int64]) -> None:
        """Those that are over take no further steps of M."""
        kept = torch.from_numpy(np.flatnonzero(np.isin(self._rows, rows))).to(self._z.device)
        self._rows = rows
        self._track, self._z, self._rew, self._earned, self._frames, self._got, self._paid = (
            of[kept] for of in (self._track, self._z, self._rew, self._earned, self._frames, self._got, self._paid)
        )
        self._states: tuple[MemoryState, ...] = tuple(state.select(kept) for state in self._states)
