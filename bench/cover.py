"""How long players survive in Take Cover who know nothing, or all: `python -m bench.cover [GAMES]`, 100 of them by
default.

What can be reached with decisions of four tics by the three actions that C has, and how much of it takes no eyes at
all. None of them sees pictures: the simulator says where things are.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from reverie.envs.take_cover.games import tidy
from reverie.envs.take_cover.spec import SKILL

FIREBALL = "DoomImpBall"
REPEAT, LIMIT = 4, 2100
WIDTH = 768
"""Of the room, along which the player steps."""
NEAR, IN_THE_WAY = 300, 70
"""Who steps aside of the nearest fireball looks at those within the first, and steps where one is within the second to
either side; both in units of the map, of which the player is 32 wide."""
SPEED, STEPPING, SOON = 10, 12, 45
"""Units that a player who steps makes in a tic; for so many tics a plan lets them step; fireballs that arrive later do
not count yet."""

Player = Callable[[Any, int, np.random.Generator], int]
"""Of the game's state, the last action and chance: 1 for left, -1 for right, 0 to stay."""


def telling_game() -> Any:
    """Take Cover, which also says where everything is: in the room, and in the picture. A `vizdoom.DoomGame`."""
    import vizdoom as v

    game = v.DoomGame()
    game.load_config(str(Path(v.scenarios_path, "take_cover.cfg")))
    game.set_window_visible(False)
    game.set_screen_format(v.ScreenFormat.RGB24)
    game.set_doom_skill(SKILL)
    game.set_labels_buffer_enabled(True)
    game.set_objects_info_enabled(True)
    game.set_available_game_variables([v.GameVariable.POSITION_X, v.GameVariable.POSITION_Y])
    with tidy(game):
        game.init()
    return game


def by_chance(state: Any, last: int, rng: np.random.Generator) -> int:  # noqa: ARG001
    """Any action, as often held as not."""
    return last if rng.random() < 0.5 else int(rng.integers(-1, 2))


def sweeping(margin: float) -> Player:
    """From one wall to the other and back, turning `margin` before it, with closed eyes."""

    def player(state: Any, last: int, rng: np.random.Generator) -> int:  # noqa: ARG001
        y = state.game_variables[1]
        return -1 if y > WIDTH - margin else 1 if y < margin else last or 1

    return player


def stepping_aside(state: Any, last: int, rng: np.random.Generator) -> int:  # noqa: ARG001
    """Away from the nearest fireball, where it is in the way."""
    near = [ball for ball in _fireballs(state) if -10 < ball[0] < NEAR]
    if not near or abs(side := min(near)[1]) > IN_THE_WAY:
        return 0
    return -1 if side > 0 else 1


def planning(state: Any, last: int, rng: np.random.Generator) -> int:  # noqa: ARG001
    """Where it will be farthest from all fireballs that are to arrive; rather on than back, and not at a wall."""
    y = state.game_variables[1]

    def cost(act: int) -> float:
        found = 0.01 * (act != last) + 0.003 * max(0.0, abs(y + act * 60 - WIDTH / 2) - 180)
        for ahead, side, speed, drift in _fireballs(state):
            tics = ahead / -speed if speed < 0 else -1
            if 0 <= tics <= SOON:
                gap = side + drift * tics - act * min(tics, STEPPING) * SPEED
                found += float(np.exp(-((gap / 30) ** 2))) * 60 / (tics + 10)
        return found

    return min((last, 0, 1, -1), key=cost)


def _fireballs(state: Any) -> list[tuple[float, float, float, float]]:
    """Of each, how far ahead of the player and to the left it is, and its velocities there."""
    x, y = state.game_variables
    return [
        (ball.position_x - x, ball.position_y - y, ball.velocity_x, ball.velocity_y)
        for ball in state.objects
        if ball.name == FIREBALL
    ]


def tics(game: Any, player: Player, seed: int) -> int:
    """How long `player` survives, up to the limit."""
    rng, last = np.random.default_rng(seed), 0
    game.set_seed(seed)
    game.new_episode()
    survived = 0
    while not game.is_episode_finished() and survived < LIMIT:
        last = player(game.get_state(), last, rng)
        survived += int(game.make_action([int(last > 0), int(last < 0)], min(REPEAT, LIMIT - survived)))
    return survived


def main(num: int) -> None:
    """Prints a line for each player."""
    players: dict[str, Player] = {
        "at random": by_chance,
        "steps aside of the nearest": stepping_aside,
        **{f"sweeps blindly, turns {margin} before a wall": sweeping(margin) for margin in (40, 120, 200)},
        "plans with all fireballs": planning,
    }
    game = telling_game()
    for name, player in players.items():
        found = np.array([tics(game, player, seed) for seed in range(num)])
        print(
            f"{name:40} {found.mean():5.0f} +- {found.std():4.0f} tics, {np.mean(found >= LIMIT):4.0%} to the end",
            flush=True,
        )
    game.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
