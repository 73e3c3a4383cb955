"""A dream beside the real drive it forks from, as an mp4.

Three pictures side by side: the real world under the agent; the dream under the very same actions, whose road soon
bends elsewhere; and the dream in which the agent itself drives, by what it sees there.

Shapes: t decisions, z latent; frames are (64, 64, 3) uint8.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from reverie.agent import Agent
from reverie.dream.imagine import DreamConfig, DreamPolicy, controlled, imagine, recorded, require_rewards
from reverie.dream.moments import CONTEXT, moments_after
from reverie.envs.config import EnvConfig
from reverie.envs.registry import make_vector_env, spec_of
from reverie.errors import UserError
from reverie.lockstep import Lockstep
from reverie.models.coding import encode
from reverie.policies import ExactPolicy
from reverie.progress import Progress
from reverie.seeding import torch_generator
from reverie.show.canvas import ACCENT, GOOD, Canvas
from reverie.show.dashboard import DARK, DIM, LIGHT, PANEL
from reverie.show.mp4 import write_mp4
from reverie.types import Floats, Frames

SCALE, CAPTION, GAP, CURVE = 5, 26, 24, 90
BLUE = (90, 150, 230)


class Film(NamedTuple):
    """A real drive, and two dreams from its moment `CONTEXT` on; t decisions after it."""

    real: Frames
    """(t + 1, 64, 64, 3)"""
    same: Frames
    """The dream under the real actions."""
    own: Frames
    """The dream in which the agent drives."""
    rewards: tuple[Floats, Floats, Floats]
    """(t,) each: real, and what M expects in either dream."""


@torch.inference_mode()
def make_film(
    agent: Agent, params: np.ndarray, env: EnvConfig, track: int, decisions: int, temperature: float, seed: int
) -> Film:
    """Drives `track` for real, whatever time limit `env` has, and dreams from the moment when M has seen `CONTEXT`
    decisions of it.

    Raises UserError where the real drive ends before that.
    """
    require_rewards(agent.memory)
    limit = CONTEXT + decisions
    env = replace(env, max_frames=max(env.max_frames, limit * env.action_repeat))  # the film lasts as long as asked
    episode = Lockstep(make_vector_env(env, 1), ExactPolicy(agent, params[None]), [track], max_decisions=limit)
    steps = [(obs[0], act[0], step.rew[0], step.obs[0]) for _, obs, act, step in episode]
    if len(steps) <= CONTEXT:
        raise UserError(f"the drive on track {track} ended after {len(steps)} decisions: choose another --track")
    real = np.stack([*(step[0] for step in steps), steps[-1][3]])
    act, rew = np.stack([step[1] for step in steps]), np.array([step[2] for step in steps], np.float32)
    z = torch.from_numpy(encode(agent.vision, real, precision=agent.config.precision)[0])
    prev_rew = torch.from_numpy(np.concatenate([[0], rew[:-1]]).astype(np.float32))
    acts = torch.from_numpy(act.astype(np.float32)).to(agent.device)
    start = moments_after(agent.memory, z[None, : CONTEXT + 1], acts[None, :CONTEXT], prev_rew[None, : CONTEXT + 1])

    def dream(policy: DreamPolicy) -> tuple[Frames, Floats]:
        config, chance = DreamConfig(temperature=temperature), torch_generator(seed, "dream video", device=agent.device)
        found = imagine(agent.memory, policy, start, len(act) - CONTEXT, config, chance=chance)
        assert found.rew is not None
        return agent.vision.decode(found.z[0]).cpu().numpy(), found.rew[0].cpu().numpy()

    row = torch.from_numpy(np.asarray(params, np.float32))[None].to(agent.device)
    (same, same_rew), (own, own_rew) = (
        dream(policy) for policy in (recorded(acts[None, CONTEXT:]), controlled(agent.controller, row))
    )
    return Film(real[CONTEXT:], same, own, (rew[CONTEXT:], same_rew, own_rew))


def write_film(path: Path, film: Film, env: EnvConfig, *, title: str, quiet: bool = False) -> None:
    """Writes the film in the time of the world: a picture for each decision."""
    write_mp4(path, _pictures(film, title, quiet), spec_of(env).decisions_per_second(env.action_repeat), quality=30)


def _pictures(film: Film, title: str, quiet: bool) -> Iterator[Frames]:
    size, t = 64 * SCALE, len(film.rewards[0])
    curves = [np.concatenate([[0], np.cumsum(rew)]) for rew in film.rewards]
    lowest, highest = min(c.min() for c in curves), max(max(c.max() for c in curves), 1.0)
    width, top = 3 * (size + GAP) + GAP, CAPTION + size + 2 * GAP
    height = top + CURVE + CAPTION + GAP
    base = Canvas(width, height + height % 2, DARK)
    named = (("real", GOOD), ("dream, same actions", ACCENT), ("dream, driven in the dream", BLUE))
    base.rectangle(GAP, top, width - 2 * GAP, CURVE, PANEL)
    base.text(title, GAP, height - GAP, 14, DIM, "ls")
    base.text("above: the three returns, from the first decision to the last", width - GAP, height - GAP, 14, DIM, "rs")

    def place(i: int, value: float) -> tuple[float, float]:
        x = GAP + 4 + (width - 2 * GAP - 8) * i / max(t, 1)
        return x, top + CURVE - 6 - (value - lowest) / (highest - lowest) * (CURVE - 12)

    with Progress("dream", t + 1, "decisions", quiet=quiet) as bar:
        for i, tiles in enumerate(zip(film.real, film.same, film.own, strict=True)):
            canvas = base.copy()
            for j, ((name, color), tile, curve) in enumerate(zip(named, tiles, curves, strict=True)):
                x = GAP + j * (size + GAP)
                canvas.text(name, x, CAPTION, 16, color, "ls")
                canvas.text(f"return {curve[i]:.0f}", x + size, CAPTION, 16, LIGHT, "rs")
                canvas.frame(tile, x, CAPTION + GAP, SCALE)
                if i:
                    canvas.draw.line([place(k, curve[k]) for k in range(i + 1)], fill=color, width=2)
            bar.advance(1)
            yield canvas.array()
