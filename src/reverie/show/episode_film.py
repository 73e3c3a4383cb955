"""An agent on one track, frame by frame: what the simulator shows, V sees and M expects, as an mp4 or a window.

Shapes: h w height and width of a picture in pixels; frames are (64, 64, 3) uint8.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from reverie.agent import Agent
from reverie.devices import one_thread
from reverie.envs.config import EnvConfig
from reverie.envs.pixels import GymnasiumBatch
from reverie.envs.registry import make_watched, spec_of
from reverie.errors import UserError
from reverie.lockstep import Lockstep
from reverie.models.mdn_rnn import MemoryState
from reverie.policies import Policy
from reverie.progress import Progress
from reverie.show.dashboard import Dashboard, Minds
from reverie.show.mp4 import write_mp4

NO_SCREEN = "there is no screen to open a window on"


@dataclass(frozen=True, kw_only=True)
class Filmed:
    """What `reverie watch` prints."""

    track: int
    """Seed of Gymnasium's reset."""
    ret: float
    """Sum of rewards."""
    frames: int
    decisions: int
    terminated: bool
    """Ended by the environment (lap finished, or off the field), not by the time limit."""


class Shot(NamedTuple):
    """One simulator frame, after it was stepped."""

    picture: Any
    """What the environment shows: (h, w, 3) uint8, or None where it shows itself, or nothing."""
    minds: Minds
    """What the agent sees and expects at the decision that this frame belongs to."""
    act: np.ndarray
    filmed: Filmed
    """The drive so far."""


class Driver(Policy, Protocol):
    """Who drives with an agent's V and M."""

    agent: Agent

    @property
    def state(self) -> MemoryState:
        """M's, after the last decision."""
        ...


class _Held:
    """A driver's decision, held for `action_repeat` frames of an environment that stops at every one."""

    def __init__(self, driver: Driver, action_repeat: int) -> None:
        self.driver, self.action_repeat = driver, action_repeat

    def reset(self, seeds: Sequence[int]) -> None:
        """Forgets what was held."""
        self.driver.reset(seeds)
        self._frames, self._rew = 0, np.zeros(len(seeds))
        self.top = self.driver.state.top
        """(b, h) what M's last layer gave after the last decision."""

    @property
    def just_decided(self) -> bool:
        """Whether the last frame was the first of a decision."""
        return self._frames % self.action_repeat == 1 or self.action_repeat == 1

    def act(self, obs: np.ndarray, prev_rew: np.ndarray) -> np.ndarray:
        """Actions (b, a)."""
        self._rew = self._rew + prev_rew
        if self._frames % self.action_repeat == 0:
            self._act, self._rew = self.driver.act(obs, self._rew), np.zeros(len(obs))
            self.top = self.driver.state.top
        self._frames += 1
        return self._act

    def keep(self, mask: np.ndarray) -> None:
        """Drops the rows that ended."""
        self.driver.keep(mask)
        self._act, self._rew = self._act[mask], self._rew[mask]


def shots(env: GymnasiumBatch, driver: Driver, track: int, action_repeat: int) -> Iterator[Shot]:
    """Drives a track to its end, and stops at every simulator frame, which is a step of `env`. The driver decides every
    `action_repeat` frames, as it does anywhere."""
    policy = _Held(driver, action_repeat)
    filmed = Filmed(track=track, ret=0.0, frames=0, decisions=0, terminated=False)
    minds: Minds | None = None
    for _, obs, act, step in Lockstep(env, policy, [track]):
        if policy.just_decided:
            minds = _minds(driver.agent, obs[0], policy.top)
            filmed = replace(filmed, decisions=filmed.decisions + 1)
        assert minds is not None
        ret, frames = filmed.ret + float(step.rew[0]), filmed.frames + 1
        filmed = replace(filmed, ret=ret, frames=frames, terminated=bool(step.end[0]))
        yield Shot(env.render(), minds, act[0], filmed)


@torch.inference_mode()
def _minds(agent: Agent, frame: np.ndarray, h: torch.Tensor) -> Minds:
    """`h` (1, h) is M's state after the decision, from which it expects the next frame."""
    z = agent.encode(torch.from_numpy(frame[None]).to(agent.device))
    expected = agent.memory.predict(h, z).z.mean()
    seen, foreseen = agent.vision.decode(torch.cat([z, expected])).cpu().numpy()
    return Minds(frame, seen, foreseen)


def record(path: Path, driver: Driver, config: EnvConfig, track: int, *, title: str, quiet: bool = False) -> Filmed:
    """Writes the drive as an mp4, at the speed of the world."""
    spec = spec_of(config)
    env = make_watched(config, "rgb_array" if "rgb_array" in spec.render_modes else None)
    dashboard, found = Dashboard(title, config.max_frames, spec), []

    def pictures() -> Iterator[np.ndarray]:
        with Progress("watch", config.max_frames, "frames", quiet=quiet) as bar:
            for shot in shots(env, driver, track, config.action_repeat):
                filmed = shot.filmed
                found[:] = [filmed]
                yield dashboard.draw(_picture(shot), shot.minds, shot.act, filmed.ret, filmed.frames)
                bar.update(filmed.frames, score=f"{filmed.ret:.0f}")

    try:
        with one_thread():
            write_mp4(path, pictures(), spec.decisions_per_second(1))
    finally:
        env.close()
    return found[0]


def _picture(shot: Shot) -> np.ndarray:
    """(h, w, 3) uint8, for the video: what the agent sees where the environment shows nothing else."""
    return shot.minds.frame if shot.picture is None else np.asarray(shot.picture)


def require_screen(instead: str) -> None:
    """Raises UserError where no window can be opened; `instead` says what to do then."""
    names = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
    if sys.platform == "linux" and not any(os.environ.get(name) for name in names):
        raise UserError(f"{NO_SCREEN}: {instead}")


def show_window(driver: Driver, config: EnvConfig, track: int, *, quiet: bool = False) -> Filmed:
    """Gymnasium's own window, until the drive ends or the window is closed. UserError where there is no screen."""
    import pygame

    instead = "leave out --window, and a video is written instead"
    require_screen(instead)
    if "human" not in spec_of(config).render_modes:
        raise UserError(f"{config.id} has no window of its own: {instead}")
    if config.is_rendered:
        raise UserError(f"what its agent sees is what {config.id} draws, once, there or in a window: {instead}")
    env = make_watched(config, "human")
    filmed = None
    try:
        with one_thread(), Progress("watch", config.max_frames, "frames", quiet=quiet) as bar:
            for shot in shots(env, driver, track, config.action_repeat):
                filmed = shot.filmed
                bar.update(filmed.frames, score=f"{filmed.ret:.0f}")
                if pygame.event.peek(pygame.QUIT):
                    break
    except pygame.error as error:
        raise UserError(f"{NO_SCREEN}: {instead} ({error})") from error
    finally:
        env.close()
    assert filmed is not None
    return filmed
