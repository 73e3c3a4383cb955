"""Whether the dream knows a good driver from a bad one: returns in it against returns on real tracks.

Shapes: m controllers, n dreams or tracks of each, t decisions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from reverie.dream.dreamer import Dreamer, Dreams
from reverie.dream.imagine import DreamConfig
from reverie.dream.rollout import ControllerPolicy, rollout_dreams
from reverie.dream.tracks import DreamTracks
from reverie.lockstep import Lockstep
from reverie.measure.statistics import spearman, spearman_interval
from reverie.models.controller import Controller
from reverie.models.mdn_rnn import Memory
from reverie.seeding import generator, torch_generator
from reverie.types import LargestReturn, SequenceBatch

LEAST = 4
"""Controllers of which a rank correlation says anything."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DreamReturns:
    """m controllers at one temperature."""

    temperature: float
    num_decisions: int
    """Of a dream at most."""
    dream: np.ndarray
    """(m, n) returns of each dream."""
    decisions: np.ndarray
    """(m, n) until the end."""
    impossible: np.ndarray
    """(m, n) bool: at some moment the return was more than the real world can give."""


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """How well dreams rank controllers that are good already."""

    num: int
    rho: float
    """Spearman's, of the mean dreamt and real returns."""
    interval: tuple[float, float]
    """95%, by a bootstrap over controllers, dreams and tracks."""
    road: float
    """Of the mean returns on one half of the tracks and on the other: as well as so few tracks rank them themselves."""


def ranks_above(dream: np.ndarray, real: np.ndarray, above: float, seed: int) -> Ranks | None:
    """Of those controllers whose real returns (m, k) are so high on average; `dream` (m, n) are their dreamt ones. None
    for fewer than `LEAST` of them."""
    chosen = real.mean(1) >= above
    if chosen.sum() < LEAST:
        return None
    dream, real = dream[chosen], real[chosen]
    return Ranks(
        num=len(real),
        rho=spearman(dream.mean(1), real.mean(1)),
        interval=spearman_interval(dream, real, seed),
        road=between_halves(real),
    )


def between_halves(real: np.ndarray) -> float:
    """How one half of the tracks of real returns (m, k) ranks those who drove them, against the other half: where the
    road itself can hardly tell them apart, no dream can."""
    return spearman(real[:, ::2].mean(1), real[:, 1::2].mean(1))


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Whether what M expects of one decision is what comes, on average. Bins are tenths of the steps by expectation."""

    expected: tuple[float, ...]
    """Mean expected reward of each bin."""
    found: tuple[float, ...]
    """Mean reward that came."""
    error: float
    """Mean absolute difference of the two."""
    expected_ends: float | None
    """How many steps M expects to end an episode, by the sum of its probabilities."""
    found_ends: int
    """How many did."""
    steps: int


def dream_returns(
    dreams: Dreams,
    controller: Controller,
    params: np.ndarray,
    *,
    temperature: float,
    num_dreams: int,
    num_decisions: int,
    seed: int,
    largest: LargestReturn | None,
) -> DreamReturns:
    """Drives `num_dreams` dreams with each of `params` (m, p); all controllers get the same moments. `largest`: what
    the real world can give, where that is known."""
    m, repeat = len(params), dreams.world.action_repeat
    rewards, decisions = [], []
    for row in params:
        chance = torch_generator(seed, "dream returns", device=dreams.memory.device)
        dreamer = Dreamer(dreams.memory, dreams.moments, num_dreams, DreamConfig(temperature=temperature), chance)
        found = rollout_dreams(dreamer, controller, np.repeat(row[None], num_dreams, 0), num_decisions)
        rewards.append(found.rew)
        decisions.append(found.decisions)
    rew, ended = np.stack(rewards), np.stack(decisions)
    frames = np.minimum(np.arange(1, num_decisions + 1), ended[..., None]) * repeat
    bound = largest.after(frames) if largest else np.inf
    assert rew.shape == (m, num_dreams, num_decisions)
    return DreamReturns(
        temperature=temperature,
        num_decisions=num_decisions,
        dream=rew.sum(-1),
        decisions=ended,
        impossible=np.asarray((np.cumsum(rew, -1) > bound).any(-1)),
    )


def judged_returns(
    dreams: Dreams, controller: Controller, params: np.ndarray, *, num_dreams: int, num_decisions: int, seed: int
) -> np.ndarray | None:
    """Returns (m, n) of the same drivers, params (m, p), in the dreams of the last member of M's ensemble, at
    temperature 1: C reads the first one's state, and the last one's word comes true. All controllers get the same
    dreams. None for a single M."""
    if not dreams.members:
        return None
    tracks = DreamTracks(
        [dreams.ensemble[0], dreams.ensemble[-1]],
        dreams.world,
        DreamConfig(),
        num_dreams,
        bank=torch.arange(len(dreams.moments)),
        decisions=num_decisions,
        speaks=1,
    )
    seeds = generator(seed, "judged dreams").integers(2**31, size=num_dreams).tolist()
    found = np.zeros((len(params), num_dreams))
    for i, row in enumerate(params):
        own = torch.from_numpy(row[None].astype(np.float32)).to(dreams.memory.device)
        policy = ControllerPolicy(controller, own)
        for rows, _, _, step in Lockstep(tracks, policy, seeds, max_decisions=num_decisions):
            found[i, rows] += step.rew
    return found


@torch.inference_mode()
def calibration(memory: Memory, batches: Sequence[SequenceBatch], bins: int = 10) -> Calibration:
    """M's expectations of single steps against what came, over the steps of the batches' masks."""
    expected, found, ends, ended = [], [], [], 0
    for batch in batches:
        batch = batch.each(lambda part: part.to(memory.device))
        now, mask = batch.z[:, :-1], batch.mask > 0
        prediction = memory.predict(memory(now, batch.act, batch.prev_rew)[0], now)
        assert prediction.reward is not None, "this memory does not predict rewards"
        expected.append(prediction.reward[mask].cpu().numpy())
        found.append(batch.rew[mask].cpu().numpy())
        ended += int(batch.end[mask].sum())
        if prediction.end_logit is not None:
            ends.append(torch.sigmoid(prediction.end_logit)[mask].sum().item())
    guess, truth = np.concatenate(expected), np.concatenate(found)
    parts = np.array_split(np.argsort(guess), bins)
    means = [(float(guess[part].mean()), float(truth[part].mean())) for part in parts]
    return Calibration(
        expected=tuple(g for g, _ in means),
        found=tuple(f for _, f in means),
        error=float(np.mean([abs(g - f) for g, f in means])),
        expected_ends=sum(ends) if ends else None,
        found_ends=ended,
        steps=len(guess),
    )
