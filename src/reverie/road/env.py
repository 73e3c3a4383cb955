"""A run's real world as a Gymnasium environment, seen with the run's V and M.

Shapes: z latent, h hidden, a action; frames are (64, 64, 3) uint8.
"""

from typing import Any, Literal

import gymnasium
import numpy as np
import torch

from reverie.agent import seen
from reverie.devices import Precision, chosen_device, survive_forks
from reverie.dream.env import OBSERVED, SCALE, Observed, space_of
from reverie.dream.imagine import require_one_of
from reverie.envs.registry import make_vector_env
from reverie.errors import UserError, require_known_options
from reverie.models.files import load_models
from reverie.run.folder import RunFolder
from reverie.seeding import TRAINING_TRACKS
from reverie.types import Device


class RoadEnv(gymnasium.Env):
    """The world that a run was trained in, as its agent meets it.

    ## Description
    `gymnasium.make("reverie/Road-v0", run="runs/quick")`, after `import reverie.road`, or without that import
    `gymnasium.make("reverie.road:reverie/Road-v0", run="pretrained")`. One step is one decision of the run's agent,
    which is several frames of the simulator (`env.action_repeat` of its recipe).

    ## Action Space
    That of the real environment, and of `reverie/Dream-v0`.

    ## Observation Space
    That of `reverie/Dream-v0`, by `observation`: `"z"` the mean of V's latent, `"zh"` with M's state, which is what the
    paper's controller reads, `"frame"` the frame itself, (64, 64, 3) uint8.

    ## Rewards
    Those of the real environment, summed over the frames of the decision.

    ## Starting State
    A track drawn from the training tracks. `reset(options={"track": 7})` chooses one: those below 500,000 are test
    tracks, and for scores alone.

    ## Episode End
    That of the real environment: terminated where it ends the task, truncated at its time limit.

    ## Info
    `track` of the episode, and after a step `frames` of the simulator that it took.

    ## Arguments
    `run`: folder of a run that has V and M, `pretrained` or `dreamt`. `device`: where V and M run.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012 (as Gymnasium has it)

    def __init__(
        self,
        run: str,
        *,
        observation: Observed = "z",
        render_mode: Literal["rgb_array"] | None = None,
        device: Device = "cpu",
    ) -> None:
        """Raises UserError where the run has no V or M, or a setting makes no sense."""
        require_one_of("render_mode", render_mode, (None, *RoadEnv.metadata["render_modes"]))
        require_one_of("observation", observation, OBSERVED)
        survive_forks()
        folder = RunFolder.open(run)
        folder.require_models()
        vision, memory = load_models(folder.path, chosen_device(device))
        self.vision, self.memory = vision.eval(), memory.eval()
        self.env = make_vector_env(folder.config.env, 1)
        self.observation: Observed = observation
        self.action_space = self.env.spec.actions.space()
        self.observation_space = space_of(observation, memory.z_size, memory.config.hidden_size)
        self.render_mode = render_mode
        fps = self.env.spec.decisions_per_second(folder.config.env.action_repeat)
        self.metadata = RoadEnv.metadata | {"render_fps": max(1, round(fps))}
        self._precision: Precision = folder.config.agent.precision
        self._track = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """Begins an episode; the same seed gives the same track. Option `track`: which one."""
        require_known_options(options, ("track",), "a road")
        super().reset(seed=seed, options=options)
        track = (options or {}).get("track")
        self._track = TRAINING_TRACKS[self.np_random.integers(len(TRAINING_TRACKS))] if track is None else int(track)
        if not 0 <= self._track < TRAINING_TRACKS[-1]:
            raise UserError(f"track {track} is none: give a seed from 0 to {TRAINING_TRACKS[-1]}")
        self._look(self.env.reset([0], [self._track]))
        self._state, self._rew = self.memory.initial_state(1), 0.0
        return self._observed(), {"track": self._track}

    @torch.inference_mode()
    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        """One decision: the world goes on, M remembers what was seen and done, and V looks again."""
        act = self.env.spec.actions.from_env(np.asarray(action)[None])
        device = self._z.device
        told = torch.tensor([self._rew], dtype=torch.float32, device=device)
        self._state = self.memory.step(self._z, torch.from_numpy(act).to(device), self._state, told)
        step = self.env.step([0], act)
        self._look(step.obs)
        self._rew = float(step.rew[0])
        info = {"track": self._track, "frames": int(step.frames[0])}
        return self._observed(), self._rew, bool(step.end[0]), bool(step.trunc[0]), info

    def render(self) -> np.ndarray | None:
        """The frame that V sees, (384, 384, 3) uint8."""
        return None if self.render_mode is None else self._frame.repeat(SCALE, 0).repeat(SCALE, 1)

    def close(self) -> None:
        """Releases the simulator."""
        self.env.close()

    @torch.inference_mode()
    def _look(self, obs: np.ndarray) -> None:
        """V sees the frame (1, 64, 64, 3)."""
        self._frame = obs[0]
        device = next(self.vision.parameters()).device
        self._z = seen(self.vision, torch.from_numpy(obs).to(device), self._precision).float()

    def _observed(self) -> np.ndarray:
        if self.observation == "frame":
            return self._frame
        parts = [self._z] if self.observation == "z" else [self._z, self._state.top]
        return torch.cat(parts, -1)[0].cpu().numpy()
