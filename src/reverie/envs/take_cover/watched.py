"""Take Cover as Gymnasium makes it: a game that leaves nothing behind, and that shows a picture to the end."""

from typing import Any

import gymnasium

from reverie.envs.take_cover.games import tidy


class Watched(gymnasium.Wrapper):
    """Around VizdoomTakeCover-v1. Of the tic in which the player dies there is no picture: its last one is given
    again, where ViZDoom gives a black one."""

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Starts the game with its first episode."""
        game: Any = self.env.unwrapped.game  # pyright: ignore[reportAttributeAccessIssue]
        if game.is_running():
            seen, info = self.env.reset(**kwargs)
        else:
            with tidy(game):
                seen, info = self.env.reset(**kwargs)
        self._seen = seen
        return seen, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """One tic."""
        seen, rew, end, trunc, info = self.env.step(action)
        if not end:
            self._seen = seen
        return self._seen, rew, end, trunc, info
