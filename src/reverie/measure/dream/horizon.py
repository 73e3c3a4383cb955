"""How long a dream stays true: what can be read off its pictures, against what really happened under the same actions.

Latents of two vision models cannot be compared, nor can the likelihoods that their memories give them; the state of the
car can, as the state probe of `judges.py` reads it off decoded frames.

Shapes: n episodes, t decisions, z latent, g tracks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from reverie.dream.dreamer import Dreamer
from reverie.dream.ensemble import doubt_along
from reverie.dream.imagine import DreamConfig
from reverie.dream.moments import CONTEXT, Moments, moments_after
from reverie.dream.replay import Dream, replay
from reverie.dream.rollout import rollout_dreams
from reverie.envs.config import EnvConfig
from reverie.envs.starts import start
from reverie.envs.truth import labelled_env
from reverie.errors import UserError
from reverie.lockstep import Lockstep
from reverie.measure.statistics import confidence_interval, spearman
from reverie.measure.truth.judges import Judges
from reverie.measure.truth.labelled import MAX_HEADING, MAX_OFFSET, STATE
from reverie.models.coding import decode, encode
from reverie.models.controller import Controller
from reverie.models.mdn_rnn import Memory
from reverie.models.vision import Vision
from reverie.policies import Policy
from reverie.seeding import torch_generator
from reverie.types import Floats, Frames

HORIZONS = (1, 5, 15, 50, 100)
"""Decisions into the dream."""
NUM_DREAMS = 16
"""Dreams at temperature 1 whose median is M's forecast."""
_LENGTH = CONTEXT + HORIZONS[-1]


@dataclass(frozen=True, kw_only=True, eq=False)
class RealEpisodes:
    """n real episodes of the same length."""

    obs: Frames
    """(n, t + 1, 64, 64, 3)"""
    act: Floats
    """(n, t, 3)"""
    rew: Floats
    """(n, t)"""
    state: Floats
    """(n, t + 1, 3) in the order of `STATE`."""
    speed: Floats
    """(n, t + 1) units a second."""
    grass: np.ndarray
    """(n, t + 1) wheels that touch no road."""
    known: np.ndarray
    """(n, t + 1) whether the state can be read off the frame: near enough to the road, and facing along it."""
    track: np.ndarray
    """(n,) reset seed."""


@dataclass(frozen=True, kw_only=True)
class DreamHorizon:
    """Mean absolute errors at each of `HORIZONS`, of each number of `STATE`."""

    tracks: tuple[int, ...]
    dream: Mapping[str, tuple[float, ...]]
    """What the probe reads off the decoded dream, against the truth."""
    median: Mapping[str, tuple[float, ...]]
    """The median of what it reads off `NUM_DREAMS` dreams at temperature 1: what M expects, where one dream is what may
    happen."""
    seen: Mapping[str, tuple[float, ...]]
    """What it reads off the decoded latents of the real frames: the best that a memory could do."""
    still: Mapping[str, tuple[float, ...]]
    """What it reads off the last real frame before the dream: a memory that foresees nothing."""
    relative: tuple[float, ...]
    """Error of the dream relative to that of the last frame, mean over the state: below 1, M foresees."""
    relative_median: tuple[float, ...]
    """The same of the median of dreams."""
    latent: tuple[float | None, ...]
    """The same of the latent: root of the mean squared error over episodes and dimensions, relative to the last's;
    None where nothing has moved since the last."""
    reward: tuple[float, ...] | None
    """Mean reward foreseen from the start of the dream to each horizon, or None where M has no head for it."""
    real_reward: tuple[float, ...]
    """Mean reward that really came until then."""
    reward_ratio: tuple[float, ...] | None
    """The one over the other; None where nothing was foreseen, or nothing came."""
    per_track: Mapping[str, tuple[tuple[float, ...], ...]]
    """The dream's error by horizon and episode; NaN-free: those whose state is not known there are left out, and with
    them their place, so that only models measured on the same episodes may be compared in pairs."""
    ci95: Mapping[str, tuple[tuple[float, float] | None, ...]]
    doubt: tuple[float, ...] | None
    """Spearman's rank correlation, over episodes, of the doubt of M's ensemble, mean from the start of the dream to
    each horizon, with the latent's error there; None for a single M."""


def record_episodes(policy: Policy, tracks: Sequence[int], env: EnvConfig, seed: int) -> RealEpisodes:
    """Drives `tracks` with `policy`, from anywhere on the road, whatever time limit `env` has; those that end too
    early are left out. Raises UserError where none is left."""
    env = replace(env, max_frames=max(env.max_frames, _LENGTH * env.action_repeat))
    batch, n = labelled_env(env, len(tracks)), len(tracks)
    starts = [start(replace(env, renderer="fast"), "random", seed, i) for i in range(n)]
    episodes = Lockstep(batch, policy, tracks, starts=starts, max_decisions=_LENGTH)
    first, steps = episodes.obs, list[tuple[np.ndarray, ...]]()
    for rows, _, act, step in episodes:
        labels = batch.labels(rows)
        truth = np.stack([labels.offset, labels.heading, labels.curvature, labels.speed, labels.grass], 1)
        steps.append((rows, step.obs, act, step.rew, truth))
    keep = np.flatnonzero(episodes.decisions == _LENGTH)
    if not len(keep):
        raise UserError(f"none of {n} cars drove {_LENGTH} decisions, which a dream is measured on: give more tracks")
    at = [np.searchsorted(rows, keep) for rows, *_ in steps]  # rows are in rising order
    obs, act, rew, state = ([step[k][i] for step, i in zip(steps, at, strict=True)] for k in range(1, 5))
    truth = np.stack([state[0], *state], 1).astype(np.float32)  # the start's own state is never asked for
    state = truth[..., : len(STATE)]
    return RealEpisodes(
        obs=np.stack([first[keep], *obs], 1),
        act=np.stack(act, 1).astype(np.float32),
        rew=np.stack(rew, 1).astype(np.float32),
        state=state,
        speed=truth[..., 3],
        grass=truth[..., 4].astype(np.int64),
        known=(np.abs(state[..., 0]) <= MAX_OFFSET) & (np.abs(state[..., 1]) <= MAX_HEADING),
        track=np.asarray(tracks, np.int64)[keep],
    )


def join(parts: Sequence[RealEpisodes]) -> RealEpisodes:
    """All episodes in one."""
    names = [f.name for f in fields(RealEpisodes)]
    return RealEpisodes(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


@torch.inference_mode()
def measure_dream(
    vision: Vision, memory: Memory, judges: Judges, episodes: RealEpisodes, members: Sequence[Memory] = ()
) -> DreamHorizon:
    """Shows M the first `CONTEXT` latents of each episode, lets it dream the rest under the actions that were taken,
    once at temperature 0 and `NUM_DREAMS` times at 1, and reads the pictures. Further `members` watch."""
    n, length = episodes.act.shape[:2]
    z = encode(vision, episodes.obs.reshape(-1, 64, 64, 3))[0].reshape(n, length + 1, -1)
    prev_rew = np.concatenate([np.zeros((n, 1), np.float32), episodes.rew], 1)[:, : CONTEXT + 1]
    told, shown, act = (
        torch.from_numpy(part).to(memory.device) for part in (prev_rew, z[:, : CONTEXT + 1], episodes.act)
    )
    generator = torch_generator(0, "median of dreams", device=memory.device)

    def dream_on(temperature: float) -> Dream:
        return replay(memory, shown, act, temperature=temperature, generator=generator, prev_rew=told).to("cpu")

    at = [CONTEXT + horizon for horizon in HORIZONS]
    dreamt = dream_on(0.0)
    dream = dreamt.z.numpy()
    possible = [
        judges.state(decode(vision, dream_on(1.0).z.numpy()[:, at].reshape(-1, dream.shape[-1])))
        for _ in range(NUM_DREAMS)
    ]
    expected = np.median(possible, 0).reshape(n, len(at), -1)
    foreseen, came = None if dreamt.rew is None else _until(dreamt.rew.numpy()), _until(episodes.rew)
    last = judges.state(decode(vision, z[:, CONTEXT]))
    errors: dict[str, list[np.ndarray]] = {"dream": [], "median": [], "seen": [], "still": []}
    for i, moment in enumerate(at):
        truth = np.where(episodes.known[:, moment, None], episodes.state[:, moment], np.nan)
        errors["dream"].append(np.abs(judges.state(decode(vision, dream[:, moment])) - truth))
        errors["median"].append(np.abs(expected[:, i] - truth))
        errors["seen"].append(np.abs(judges.state(decode(vision, z[:, moment])) - truth))
        errors["still"].append(np.abs(last - truth))
    means = {name: np.stack([np.nanmean(e, 0) for e in found]) for name, found in errors.items()}  # (horizons, 3)
    each = {name: _by_episode(errors["dream"], i) for i, name in enumerate(STATE)}
    return DreamHorizon(
        tracks=tuple(episodes.track.tolist()),
        dream=_named(means["dream"]),
        median=_named(means["median"]),
        seen=_named(means["seen"]),
        still=_named(means["still"]),
        relative=tuple((means["dream"] / means["still"]).mean(1).tolist()),
        relative_median=tuple((means["median"] / means["still"]).mean(1).tolist()),
        latent=tuple(_latent_error(z, dream, moment) for moment in at),
        reward=foreseen,
        real_reward=came,
        reward_ratio=tuple(a / b for a, b in zip(foreseen, came, strict=True)) if foreseen and all(came) else None,
        per_track=each,
        ci95={name: tuple(confidence_interval(np.array(values)) for values in found) for name, found in each.items()},
        doubt=_doubt([memory, *members], dreamt, z, episodes.act, prev_rew) if members else None,
    )


def _doubt(
    memories: Sequence[Memory], dreamt: Dream, z: np.ndarray, act: np.ndarray, prev_rew: np.ndarray
) -> tuple[float, ...]:
    """All see what the dreamer saw: the rewards prev_rew (n, CONTEXT + 1) that came, then those that it dreamt."""
    rewards = torch.zeros(act.shape[:2]) if dreamt.rew is None else dreamt.rew
    told = torch.cat([torch.from_numpy(prev_rew), rewards[:, CONTEXT:-1]], 1)
    along = (part.to(memories[0].device) for part in (dreamt.z, torch.from_numpy(act), told))
    doubt = doubt_along(memories, *along).cpu().numpy()
    found = []
    for horizon in HORIZONS:
        error = np.square(dreamt.z[:, CONTEXT + horizon].numpy() - z[:, CONTEXT + horizon]).mean(1)
        found.append(spearman(doubt[:, CONTEXT : CONTEXT + horizon].mean(1), error))
    return tuple(found)


@torch.inference_mode()
def driven_rewards(
    vision: Vision,
    memory: Memory,
    controller: Controller,
    params: np.ndarray,
    episodes: RealEpisodes,
    temperatures: Sequence[float],
    seed: int,
) -> dict[float, tuple[tuple[float, ...], tuple[float, ...]]]:
    """Shows M the same latents, and lets `params` (p,) drive on in the dream, by what is seen there.

    At each temperature, the mean reward foreseen from the start of the dream to each of `HORIZONS`, and that which came
    where they drove on for real: `episodes` must be theirs."""
    n, length = episodes.act.shape[:2]
    bank = last_seen(vision, memory, episodes)
    came, found = _until(episodes.rew), {}
    for temperature in temperatures:
        chance = torch_generator(seed, "driven", device=memory.device)
        dreamer = Dreamer(memory, bank, n, DreamConfig(temperature=temperature), chance)
        each, moments = np.repeat(params[None], n, 0), torch.arange(n)
        rewards = rollout_dreams(dreamer, controller, each, length - CONTEXT, moments).rew
        found[temperature] = _until(np.concatenate([np.zeros((n, CONTEXT), np.float32), rewards], 1)), came
    return found


def last_seen(vision: Vision, memory: Memory, episodes: RealEpisodes) -> Moments:
    """The n moments at which M has seen `CONTEXT` decisions of the episodes."""
    n = len(episodes.act)
    z = encode(vision, episodes.obs[:, : CONTEXT + 1].reshape(-1, 64, 64, 3))[0].reshape(n, CONTEXT + 1, -1)
    prev_rew = np.concatenate([np.zeros((n, 1), np.float32), episodes.rew[:, :CONTEXT]], 1)
    return moments_after(memory, *(torch.from_numpy(x) for x in (z, episodes.act[:, :CONTEXT], prev_rew)))


def _latent_error(z: np.ndarray, dream: np.ndarray, at: int) -> float | None:
    moved = np.square(z[:, CONTEXT] - z[:, at]).mean()
    return float(np.sqrt(np.square(dream[:, at] - z[:, at]).mean() / moved)) if moved else None


def _until(rew: np.ndarray) -> tuple[float, ...]:
    """Mean over episodes of the rewards (n, t) from the start of the dream to each horizon."""
    return tuple(float(rew[:, CONTEXT : CONTEXT + horizon].sum(1).mean()) for horizon in HORIZONS)


def _by_episode(errors: Sequence[np.ndarray], column: int) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(e[~np.isnan(e[:, column]), column].tolist()) for e in errors)


def _named(values: np.ndarray) -> dict[str, tuple[float, ...]]:
    return {name: tuple(values[:, i].tolist()) for i, name in enumerate(STATE)}
