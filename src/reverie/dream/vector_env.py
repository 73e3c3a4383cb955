"""Many dreams as one Gymnasium vector environment, on any device: M takes all their steps in one batch.

Shapes: n dreams, a action.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from reverie.devices import Precision, chosen_device
from reverie.dream.dreamer import Dreamer, load_dreams
from reverie.dream.env import MAX_SEED, Observed, View
from reverie.dream.imagine import DreamConfig, require_one_of
from reverie.errors import UserError, require_known_options
from reverie.models.files import agent_folder
from reverie.types import Device

RESET_MASK = "reset_mask"


class DreamVectorEnv(VectorEnv):
    """`num_envs` of `DreamEnv`, whose spaces, rewards and arguments it shares.

    `gymnasium.make_vec("reverie/Dream-v0", num_envs=64, run="runs/quick")` makes it. A dream that is over begins anew
    at the next step, which then takes no action and gives no reward (Gymnasium's `AutoresetMode.NEXT_STEP`).
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(
        self,
        run: str,
        num_envs: int,
        *,
        observation: Observed = "z",
        temperature: float = 1.0,
        max_decisions: int | None = None,
        precision: Precision = "fp32",
        members: Literal["first", "random"] = "first",
        render_mode: Literal["rgb_array"] | None = None,
        device: Device = "cpu",
    ) -> None:
        """Raises UserError where the run cannot dream, or a setting makes no sense."""
        require_one_of("render_mode", render_mode, (None, *DreamVectorEnv.metadata["render_modes"]))
        where = chosen_device(device)
        vision, memory, moments, world, others = load_dreams(agent_folder(run), where)
        config = DreamConfig(temperature=temperature, precision=precision, members=members)
        self.dreamer = Dreamer(memory, moments, num_envs, config, torch.Generator(where), others, world)
        self.view = View(vision, memory, world, observation)
        self.num_envs = num_envs
        self.max_decisions = world.limit(max_decisions)
        self._counts_own = max_decisions is not None
        self.single_action_space = self.view.action_space
        self.single_observation_space = self.view.observation_space
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.render_mode = render_mode
        self.metadata = DreamVectorEnv.metadata | {"render_fps": self.view.fps}
        self._decisions = np.zeros(num_envs, np.int64)
        self._over = np.zeros(num_envs, bool)
        self._has_begun = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """Begins all dreams; the same seed gives the same ones.

        `options["reset_mask"]` (n,) bool begins anew in those rows only, and the others go on; a seed then decides
        where the former begin, and what comes of all. Raises UserError for another option, a mask of another kind, or
        a seed for each row, since all dreams share their chance.
        """
        require_known_options(options, (RESET_MASK,), "dreams side by side")
        rows = self._rows_to_reset(options)
        if isinstance(seed, Sequence | np.ndarray):
            raise UserError(f"seed {seed!r}: give one whole number for all dreams, since they share their chance")
        super().reset(seed=seed)
        if seed is not None or rows.all():
            self.dreamer.generator.manual_seed(int(self.np_random.integers(MAX_SEED)))
        self._begin(rows)
        self._over[rows], self._has_begun = False, True
        return self.view.observe(self.dreamer), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict]:
        """One decision in every dream, but for those that begin anew."""
        began = self._over
        step = self.dreamer.step(self.view.actions(np.asarray(actions)))
        rew, end = step.rew.cpu().numpy().astype(np.float64), step.end.cpu().numpy()
        self._decisions += 1
        trunc = self._decisions >= self.max_decisions if self._counts_own else step.trunc.cpu().numpy()
        if began.any():
            self._begin(began)
            rew, end, trunc = np.where(began, 0.0, rew), end & ~began, trunc & ~began
        self._over = end | trunc
        infos = {}
        if step.doubt is not None and not began.all():  # Gymnasium's layout: a value, and of which rows it is one
            infos = {"doubt": np.where(began, 0.0, step.doubt.cpu().numpy().astype(np.float64)), "_doubt": ~began}
        return self.view.observe(self.dreamer), rew, end, trunc, infos

    def _rows_to_reset(self, options: dict[str, Any] | None) -> np.ndarray:
        if options is None or RESET_MASK not in options:
            return np.ones(self.num_envs, bool)
        mask, shape = options[RESET_MASK], (self.num_envs,)
        if not isinstance(mask, np.ndarray) or mask.shape != shape or mask.dtype != np.bool_:
            found = f"{mask.shape} {mask.dtype}" if isinstance(mask, np.ndarray) else type(mask).__name__
            raise UserError(f"reset option {RESET_MASK!r} must be a NumPy array of {shape} bool, not {found}")
        if not mask.any():
            raise UserError(f"reset option {RESET_MASK!r} has no row to reset: set one or more")
        if not (self._has_begun or mask.all()):
            raise UserError(f"reset option {RESET_MASK!r} leaves out dreams that never began: reset all of them first")
        return mask

    def _begin(self, rows: np.ndarray) -> None:
        self.dreamer.reset(torch.from_numpy(rows).to(self.dreamer.generator.device))
        self._decisions[rows] = 0

    def render(self) -> tuple[np.ndarray, ...] | None:
        """The picture of each dream, (64, 64, 3) uint8."""
        return tuple(self.view.decode(self.dreamer.z)) if self.render_mode else None
