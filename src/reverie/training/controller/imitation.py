"""What C would have read along the collected drives, and the C that does there what the agent of those drives would do.

Shapes: d decisions, t decisions of an episode, z latent, a action, l layers, h hidden, p parameters of C.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from reverie import dynamo
from reverie.data.latents import LatentStore
from reverie.data.store import EpisodeStore
from reverie.devices import sent
from reverie.models.coding import encode
from reverie.models.controller import Controller
from reverie.models.mdn_rnn import Memory, MemoryState
from reverie.run.folder import RunFolder
from reverie.training.controller.rollouts import agent_of
from reverie.training.controller.search_space import SearchSpace
from reverie.training.loop import descend

EPISODES_AT_ONCE = 64
DECISIONS = 20_000
"""Decisions to learn from, in whole episodes spread evenly."""
STEPS = 600
BATCH = 2048
RATE = 0.03


class LatentEpisode(NamedTuple):
    """An episode as M sees it."""

    z: Tensor
    """(t, z) the latent before each decision."""
    act: Tensor
    """(t, a)"""
    rew: Tensor
    """(t,)"""


class Sights(NamedTuple):
    """What C is given at each decision; on the CPU."""

    z: Tensor
    """(d, z)"""
    state: MemoryState
    """M's, before it reads z; (d, l, h) each."""


def some_episodes(latents: LatentStore) -> list[int]:
    """Episodes spread evenly, about `DECISIONS` in all."""
    return list(range(0, len(latents), max(1, round(latents.num_decisions / DECISIONS))))


def latent_episodes(latents: LatentStore, episodes: Iterable[int]) -> Iterator[LatentEpisode]:
    """Encoded episodes, one by one."""
    for i in episodes:
        decisions = slice(latents.decision_offsets[i], latents.decision_offsets[i + 1])
        z = latents.mu[latents.offsets[i] : latents.offsets[i + 1] - 1]
        yield LatentEpisode(
            *(torch.from_numpy(np.array(x, np.float32)) for x in (z, latents.act[decisions], latents.rew[decisions]))
        )


@torch.inference_mode()
def sights_of(memory: Memory, episodes: Iterable[LatentEpisode]) -> Sights:
    """What C is given along `episodes`, where M watches them from their start."""
    z, h, c = [], [], []
    device, left = memory.device, iter(episodes)
    while group := list(islice(left, EPISODES_AT_ONCE)):
        padded = LatentEpisode(
            *(pad_sequence(list(values), batch_first=True).to(device) for values in zip(*group, strict=True))
        )
        length = torch.tensor([len(one.rew) for one in group])
        state, rew = memory.initial_state(len(group)), torch.zeros(len(group), device=device)
        for t in range(padded.rew.shape[1]):
            going = sent((t < length).nonzero().squeeze(1), device)
            z.append(padded.z[going, t])
            h.append(state.h[going])
            c.append(state.c[going])
            state = memory.step(padded.z[:, t], padded.act[:, t], state, rew)
            rew = padded.rew[:, t]
    return Sights(torch.cat(z).cpu(), MemoryState(torch.cat(h).cpu(), torch.cat(c).cpu()))


@torch.inference_mode()
def actions_of(teacher: RunFolder, store: EpisodeStore, episodes: Iterable[int]) -> Tensor:
    """What the agent of `teacher` would do along episodes that somebody drove (d, a), decisions as in `sights_of`."""
    agent, params = agent_of(teacher)

    def watched() -> Iterator[LatentEpisode]:
        for i in episodes:
            episode = store[i]
            z, _ = encode(agent.vision, episode.obs[:-1], batch=None, precision=agent.config.precision)
            yield LatentEpisode(
                torch.from_numpy(z), *(torch.from_numpy(np.array(x, np.float32)) for x in (episode.act, episode.rew))
            )

    sights = sights_of(agent.memory, watched())
    return agent.controller.act(torch.from_numpy(params)[None].expand(len(sights.z), -1), *sights)


def imitated(
    controller: Controller, space: SearchSpace, sights: Sights, act: Tensor, generator: torch.Generator
) -> tuple[np.ndarray, float]:
    """The parameters (p,) within `space` that make C act most like `act` (d, a), by least squares, and the error that
    is left, as a share of the actions' variance."""
    origin = torch.from_numpy(space.origin).float()
    basis = torch.eye(len(origin)) if space.basis is None else torch.from_numpy(space.basis).float()
    coordinates = (0.01 * torch.randn(1, len(basis), generator=generator)).requires_grad_()

    def actions(rows: Tensor) -> Tensor:
        params = (origin + coordinates @ basis).expand(len(rows), -1)
        return controller.act(params, sights.z[rows], sights.state.select(rows))

    def error_of_some(step: int) -> Tensor:  # noqa: ARG001 (the generator says which)
        rows = torch.randint(len(act), (BATCH,), generator=generator)
        return torch.mean((actions(rows) - act[rows]) ** 2)

    with dynamo.in_private():
        optimizer = torch.optim.Adam([coordinates], RATE)
    descend(optimizer, error_of_some, STEPS)
    with torch.inference_mode():
        error = ((actions(torch.arange(len(act))) - act) ** 2).mean() / act.var(0).mean()
    return space.params(coordinates.detach().double().numpy())[0], float(error)
