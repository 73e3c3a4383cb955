"""A run's dream as a Gymnasium environment.

Shapes: z latent, h hidden, a action; frames are (64, 64, 3) uint8.
"""

from typing import Any, Literal

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from reverie.devices import Precision, chosen_device
from reverie.dream.dreamer import Dreamer, load_dreams
from reverie.dream.imagine import DreamConfig, require_one_of
from reverie.dream.moments import World
from reverie.errors import require_known_options
from reverie.models.files import agent_folder
from reverie.models.mdn_rnn import Memory
from reverie.models.vision import Vision
from reverie.types import Device

Observed = Literal["z", "zh", "frame"]
OBSERVED: tuple[Observed, ...] = ("z", "zh", "frame")
MAX_SEED = 2**62
SCALE = 6
"""Pixels of the window for each of the picture."""


class DreamEnv(gymnasium.Env):
    """M as the world: what it expects is what happens.

    ## Description
    `gymnasium.make("reverie/Dream-v0", run="runs/quick")`, after `import reverie.dream`, or without that import
    `gymnasium.make("reverie.dream:reverie/Dream-v0", run="pretrained")`. One step is one decision of the run's agent,
    which is several frames of the real simulator (`env.action_repeat` of its recipe).

    ## Action Space
    That of the real environment; for CarRacing `Box([-1, 0, 0], [1, 1, 1])`: steering, gas, brake. Beyond a Box's
    bounds, clipped; a number that is no category is refused.

    ## Observation Space
    By `observation`: `"z"` the latent, `Box(-inf, inf, (z,))`; `"zh"` with M's state, `Box(-inf, inf, (z + h,))`,
    which is what the paper's controller reads; `"frame"` the decoded latent, `Box(0, 255, (64, 64, 3))` uint8.

    ## Rewards
    What M expects of the decision, in units of the real environment, but never more than is left to earn in the episode
    that the dream goes on with.

    ## Starting State
    A moment of the driving that M learned from, drawn at random, with the state M was in when it had watched the
    decisions before.

    ## Episode End
    Terminated where M's end head says so, with the probability it gives, or where all that there is to earn is earned.
    Truncated at the real environment's time limit, for which the frames before the dream count, too; or instead after
    `max_decisions`, where that is given.

    ## Info
    `doubt`, where the run's M is an ensemble (`memory.members`): how far its members disagree about the next latent.

    ## Arguments
    `run`: folder of a run, `pretrained` or `dreamt`. `temperature`: of the mixture that the next latent is drawn
    from; 1 is what M believes, 0 its heaviest guess. `precision`: of its arithmetic, `"fp32"`, `"bf16"` (faster for
    hundreds of dreams on a machine with units for it), or `"auto"`. `members`: of an ensemble, `"first"` for dreams
    of its first M, `"random"` for those of a member drawn at every decision. `device`: where M runs.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "human"], "render_fps": 50}  # noqa: RUF012 (as Gymnasium has it)

    def __init__(
        self,
        run: str,
        *,
        observation: Observed = "z",
        temperature: float = 1.0,
        max_decisions: int | None = None,
        precision: Precision = "fp32",
        members: Literal["first", "random"] = "first",
        render_mode: Literal["rgb_array", "human"] | None = None,
        device: Device = "cpu",
    ) -> None:
        """Raises UserError where the run cannot dream, or a setting makes no sense."""
        require_one_of("render_mode", render_mode, (None, *DreamEnv.metadata["render_modes"]))
        where = chosen_device(device)
        vision, memory, moments, world, others = load_dreams(agent_folder(run), where)
        generator = torch.Generator(where)
        config = DreamConfig(temperature=temperature, precision=precision, members=members)
        self.dreamer = Dreamer(memory, moments, 1, config, generator, others, world)
        self.view = View(vision, memory, world, observation)
        self.max_decisions = world.limit(max_decisions)
        self._counts_own = max_decisions is not None
        self.action_space = self.view.action_space
        self.observation_space = self.view.observation_space
        self.render_mode = render_mode
        self.metadata = DreamEnv.metadata | {"render_fps": self.view.fps}
        self._decisions = 0
        self._window: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """Begins a dream; the same seed gives the same one. There are no options."""
        require_known_options(options, (), "a dream")
        super().reset(seed=seed, options=options)
        self.dreamer.generator.manual_seed(int(self.np_random.integers(MAX_SEED)))
        self._decisions = 0
        self.dreamer.reset(torch.ones(1, dtype=torch.bool, device=self.dreamer.generator.device))
        if self.render_mode == "human":
            self.render()
        return self.view.observe(self.dreamer)[0], {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        """One decision."""
        step = self.dreamer.step(self.view.actions(np.asarray(action)[None]))
        self._decisions += 1
        if self.render_mode == "human":
            self.render()
        truncated = self._decisions >= self.max_decisions if self._counts_own else bool(step.trunc[0])
        info = {} if step.doubt is None else {"doubt": float(step.doubt[0])}
        return self.view.observe(self.dreamer)[0], float(step.rew[0]), bool(step.end[0]), truncated, info

    def render(self) -> np.ndarray | None:
        """The dreamt picture, (384, 384, 3) uint8, or in a window."""
        if self.render_mode is None:
            return None
        picture = self.view.decode(self.dreamer.z)[0].repeat(SCALE, 0).repeat(SCALE, 1)
        if self.render_mode == "rgb_array":
            return picture
        import pygame

        if self._window is None:
            pygame.display.init()
            self._window = pygame.display.set_mode(picture.shape[1::-1])
            pygame.display.set_caption("reverie: a dream")
        pygame.event.pump()
        self._window.blit(pygame.surfarray.make_surface(picture.swapaxes(0, 1)), (0, 0))
        pygame.display.flip()
        pygame.time.wait(1000 // self.metadata["render_fps"])
        return None

    def close(self) -> None:
        """Closes the window, if there is one."""
        if self._window is not None:
            import pygame

            pygame.display.quit()
            self._window = None


def space_of(observation: Observed, z_size: int, h_size: int) -> spaces.Space:
    """Observations of that kind, in the dream and on the road."""
    if observation == "frame":
        return spaces.Box(0, 255, (64, 64, 3), np.uint8)
    size = z_size + (h_size if observation == "zh" else 0)
    return spaces.Box(-np.inf, np.inf, (size,), np.float32)


class View:
    """What is seen of dreams and done in them, in the terms of Gymnasium."""

    def __init__(self, vision: Vision, memory: Memory, world: World, observation: Observed) -> None:
        require_one_of("observation", observation, OBSERVED)
        self.vision = vision
        self.observation: Observed = observation
        self.device = next(memory.parameters()).device
        self._actions = world.actions
        self.fps = max(1, round(world.frames_per_second / world.action_repeat))
        self.action_space = world.actions.space()
        self.observation_space = space_of(observation, memory.z_size, memory.config.hidden_size)

    def actions(self, given: np.ndarray) -> Tensor:
        """What a world's step is given in n of them (n, ...) -> actions (n, a), for the dream."""
        shape = (len(given), *(self.action_space.shape or ()))
        assert given.shape == shape, f"actions must be {shape}, not {given.shape}"
        return torch.from_numpy(self._actions.from_env(given)).to(self.device)

    def observe(self, dreamer: Dreamer) -> np.ndarray:
        """The observation of every dream (n, ...)."""
        if self.observation == "frame":
            return self.decode(dreamer.z)
        parts = [dreamer.z] if self.observation == "z" else [dreamer.z, dreamer.state.top]
        return torch.cat(parts, -1).cpu().numpy()

    @torch.inference_mode()
    def decode(self, z: Tensor) -> np.ndarray:
        """Pictures (n, 64, 64, 3) uint8 of latents (n, z)."""
        return self.vision.decode(z).cpu().numpy()
