"""Which states a dream is made of: what can be read off its pictures and off M, beside real drives of the same driver.

A dream that never comes off its road, or whose bends are all wide, teaches nobody what to do there. Curvature, offset
and whether the car is off the road are read by networks that saw real frames only (`judges.py`), off what V makes of
real and of dreamt latents alike. Speed shows in no single frame: it is read by a ridge regression on z and M's state,
fitted on half of the drives.

Shapes: n drives, d dreams of each, t decisions, s moments that are looked at, z latent, i numbers that C reads.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from reverie.dream.imagine import DreamConfig, controlled, imagine
from reverie.dream.moments import CONTEXT
from reverie.measure.dream.horizon import RealEpisodes, join, last_seen
from reverie.measure.truth.judges import Judges
from reverie.measure.truth.labelled import ATTRIBUTES, STATE
from reverie.measure.vision.fidelity import linear_reading
from reverie.models.coding import decode, encode
from reverie.models.controller import Controller
from reverie.models.mdn_rnn import Memory
from reverie.models.vision import Vision
from reverie.seeding import torch_generator

NUM_DREAMS = 2
"""Of each drive, d."""
EVERY = 2
"""Of so many decisions one is looked at: pictures that follow each other say the same."""
SHARP, EDGE, SLOW = 0.05, 6.67, 5.0
"""Curvature of a sharp bend in rad per unit of length, offset of the road's edge, and speed of a car that hardly moves
in units a second, a tenth of a good driver's."""

States = Mapping[str, np.ndarray]
"""By name what is true, or read, at s moments of n drives: (n, s) each; `off` is 1 where no wheel touches the road."""

TAILS: Mapping[str, Callable[[States], np.ndarray]] = {
    f"curvature above {SHARP:g}": lambda states: np.abs(states["curvature"]) > SHARP,
    f"offset above {EDGE:g}": lambda states: np.abs(states["offset"]) > EDGE,
    f"speed below {SLOW:g}": lambda states: states["speed"] < SLOW,
    "no wheel on the road": lambda states: states["off"] > 0.5,
}
"""What is rare on a good driver's road, and what matters most there."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StatesFound:
    """From the same moments on, by the same driver."""

    truth: States
    """(n, s) on the road, as the simulator has it."""
    road: States
    """(n, s) on the road, as it is read."""
    dream: States
    """(n * d, s) in the dream, as it is read."""
    speed_r2: float
    """Share of the variance of speed that is read, on drives that the reading was not fitted on."""


@torch.inference_mode()
def measure_states(
    vision: Vision,
    memory: Memory,
    judges: Judges,
    controller: Controller,
    params: np.ndarray,
    own: RealEpisodes,
    others: RealEpisodes,
    seed: int,
) -> StatesFound:
    """`own` are real drives of the C with `params` (p,), which drives on in dreams at temperature 1 from where M has
    seen `CONTEXT` decisions of them; speed is read as on them and on those of `others`."""
    drives, n = join([own, others]), len(own.track)
    count, length = drives.act.shape[:2]
    z = encode(vision, drives.obs.reshape(-1, 64, 64, 3))[0].reshape(count, length + 1, -1)
    before = np.concatenate([np.zeros((count, 1), np.float32), drives.rew[:, :-1]], 1)
    watched = (torch.from_numpy(part).to(memory.device) for part in (z[:, :-1], drives.act, before))
    hidden = memory(*watched)[0].cpu().numpy()
    inputs = np.concatenate([z[:, 1:], hidden], -1).astype(np.float64)  # what there is to read before decisions 1 to t
    speed = drives.speed[:, 1:, None].astype(np.float64)
    fitted = np.arange(count) % 2 == 0

    def read_speed(at: np.ndarray) -> np.ndarray:
        width = at.shape[-1]
        found = linear_reading(inputs[fitted].reshape(-1, width), speed[fitted].reshape(-1, 1), at.reshape(-1, width))
        return found.reshape(at.shape[:-1])

    def read(latents: np.ndarray, at: np.ndarray) -> States:
        pictures = decode(vision, latents.reshape(-1, latents.shape[-1]))
        state = judges.state(pictures).reshape(*latents.shape[:2], -1)
        off = judges.attributes(pictures)[:, ATTRIBUTES.index("on grass")].reshape(latents.shape[:2])
        return {**{name: state[..., i] for i, name in enumerate(STATE)}, "speed": read_speed(at), "off": off}

    bank = last_seen(vision, memory, own)
    rows = torch.arange(n, device=memory.device).repeat_interleave(NUM_DREAMS)
    policy = controlled(controller, torch.from_numpy(params.astype(np.float32))[None].to(memory.device))
    chance = torch_generator(seed, "states of dreams", device=memory.device)
    dreamt = imagine(memory, policy, bank.select(rows), length - CONTEXT, DreamConfig(temperature=1.0), chance=chance)
    later = np.arange(1, length - CONTEXT + 1, EVERY)
    dreamt_z, dreamt_h = dreamt.z[:, later].cpu().numpy(), dreamt.h[:, later, -1].cpu().numpy()
    at = CONTEXT + later
    error = np.square(speed[~fitted][..., 0] - read_speed(inputs[~fitted])).mean()
    return StatesFound(
        truth={
            **{name: own.state[:, at, i] for i, name in enumerate(STATE)},
            "speed": own.speed[:, at],
            "off": (own.grass[:, at] == 4).astype(np.float32),
        },
        road=read(z[:n, at], inputs[:n, at - 1]),
        dream=read(dreamt_z, np.concatenate([dreamt_z, dreamt_h], -1).astype(np.float64)),
        speed_r2=float(1 - error / speed[~fitted].var()),
    )


def tail_shares(states: States) -> dict[str, tuple[float, float, float, float]]:
    """How often each of `TAILS` is there: of all moments, and of the first, second and last third of the time."""
    found = {}
    for name, where in TAILS.items():
        there = where(states)
        thirds = (float(part.mean()) for part in np.array_split(there, 3, axis=1))
        found[name] = (float(there.mean()), *thirds)
    return found


def percentiles(states: States, name: str) -> tuple[float, float, float]:
    """The median, the 95th and the 99th of a number's size."""
    low, middle, high = np.percentile(np.abs(states[name]), (50, 95, 99))
    return float(low), float(middle), float(high)
