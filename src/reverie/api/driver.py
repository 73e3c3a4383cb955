"""A run's agent for loops of the user's own: it is given what the world shows, and says what to do.

Shapes: n episodes side by side, h w picture, a action, p parameters of C.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from reverie.agent import Agent
from reverie.envs.picture import SIZE, to_64
from reverie.envs.spec import EnvSpec
from reverie.errors import UserError
from reverie.policies import ExactPolicy

FRAME = (SIZE, SIZE, 3)


class Driver:
    """V, M and C at the wheel of one episode, or of many side by side. M remembers from one decision to the next: call
    `reset` where an episode begins.

    A decision holds for several frames of the simulator, `action_repeat` of them: that is how the agent has learned to
    drive. `reverie.make_road` counts so by itself.

    >>> import numpy as np, reverie
    >>> agent = reverie.load("pretrained").agent()
    >>> agent.act(np.zeros((64, 64, 3), np.uint8)).shape
    (3,)
    >>> agent.reset()
    >>> agent.act(np.zeros((5, 96, 96, 3), np.uint8)).shape
    (5, 3)
    """

    def __init__(self, agent: Agent, params: np.ndarray, spec: EnvSpec, action_repeat: int) -> None:
        """`params` (p,) of C; `spec` of the world that it drives in."""
        self.policy = ExactPolicy(agent, params[None])
        self.spec = spec
        self.action_repeat = action_repeat
        """Frames of the simulator that a decision holds for."""
        self.num: int | None = None
        """Episodes side by side; None until the first `act` after `reset()`."""

    def act(self, obs: ArrayLike | Mapping[str, Any], reward: ArrayLike = 0.0) -> Any:
        """What to do now.

        `obs` is one picture, or n of them for n episodes: uint8 frames (64, 64, 3), or what the world itself shows,
        such as CarRacing's (96, 96, 3). `reward` is what the decision before brought, a number or (n,), 0 at first; few
        M's read it (`memory.model.reward_input`).

        Returns what the environment's `step` is given: for one picture one action, for CarRacing float32 (3,) of
        steering (-1 to 1), gas and brake (0 to 1); for n pictures n actions.

        Raises UserError where `obs` is no such picture, or is of another number of episodes than the last one.
        """
        frames, is_one = self._frames(obs)
        n = len(frames)
        if self.num is None:
            self.policy.reset([0] * n)
            self.num = n
        if n != self.num:
            raise UserError(f"{n} pictures for {self.num} episodes side by side: call reset() where new ones begin")
        rew = np.asarray(reward, np.float32)
        if rew.shape not in ((), (n,)):
            raise UserError(f"rewards {rew.shape} for {n} episodes: give a number, or ({n},)")
        act = self.spec.actions.to_env(self.policy.act(frames, np.broadcast_to(rew, n).copy()))
        return act[0] if is_one else np.asarray(act)

    def reset(self, rows: ArrayLike | None = None) -> None:
        """Forgets all episodes, or those in `rows` (n,) bool, which begin anew while the others go on.

        Raises UserError where `rows` are no bools, or of another number of episodes.
        """
        if rows is None:
            self.num = None
            return
        mask = np.asarray(rows)
        if self.num is None:
            raise UserError("no episodes go on yet: call reset() without rows")
        if mask.dtype != bool or mask.shape != (self.num,):
            raise UserError(f"reset of rows {mask.shape} {mask.dtype}: give bools ({self.num},), one an episode")
        fresh = self.policy.agent.initial_state(len(mask))
        self.policy.state = self.policy.state.replaced(torch.from_numpy(mask).to(self.policy.agent.device), fresh)

    def _frames(self, obs: Any) -> tuple[np.ndarray, bool]:
        """Frames (n, 64, 64, 3) uint8, and whether it was a single one."""
        picture = self.spec.picture
        if isinstance(obs, Mapping):
            if picture.key not in obs:
                raise UserError(f"no {picture.key!r} in the observation, only {', '.join(map(repr, obs))}")
            obs = obs[picture.key]
        given = np.asarray(obs)
        for shape in (FRAME, picture.shape):
            is_one = given.shape == shape
            if given.dtype == np.uint8 and (is_one or (given.shape[1:] == shape and len(given))):
                many = given[None] if is_one else given
                return (many if shape == FRAME else np.stack([to_64(each[: picture.rows]) for each in many])), is_one
        raise UserError(
            f"an observation {given.shape} {given.dtype}: give uint8 of {FRAME} or {picture.shape}, or n of them"
        )
