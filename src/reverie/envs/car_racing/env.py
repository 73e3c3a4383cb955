"""Gymnasium's CarRacing, drawn by our rasteriser."""

import math
from typing import Any

import Box2D
import gymnasium
import numpy as np
from gymnasium.envs.box2d import car_racing as gym_car

from reverie.envs.car_racing.contacts import Tiles
from reverie.envs.car_racing.frames import Frames
from reverie.envs.car_racing.glyphs import score_picture
from reverie.envs.car_racing.raster import render_96
from reverie.envs.car_racing.scene import Scenes
from reverie.envs.car_racing.shapes import freed_shapes
from reverie.envs.car_racing.track import DRAW_HIGH, DRAW_LOW, START_ALPHA, make_track, polygons
from reverie.envs.vector import Start
from reverie.errors import UserError, require_known_options


class _Action(tuple):
    """Numbers of an action that pass for the array Gymnasium asks for: Python's floats are cheaper and as exact."""

    __slots__ = ()

    def astype(self, _: Any) -> "_Action":
        return self


def _require_the_panel_that_we_draw() -> None:
    """Gymnasium rounds the score in the panel since 1.4; 1.2 cuts its decimals off and 1.3 writes them all."""
    major, minor = gymnasium.__version__.split(".")[:2]
    if (int(major), int(minor)) < (1, 4):
        raise UserError(
            f"Gymnasium {gymnasium.__version__} writes the score of CarRacing in another way than ours do: "
            "pip install 'gymnasium>=1.4'"
        )


class FastCarRacing(gym_car.CarRacing):
    """
    ## Description
    Gymnasium's CarRacing-v3, bit for bit in physics, tracks, rewards, endings and seeding, with observations drawn by
    a rasteriser that is many times faster and differs from Gymnasium's picture by less than 1/255 on average.

    ## Action Space
    As CarRacing-v3: steering in [-1, 1], gas and brake in [0, 1]; with `continuous=False` five discrete actions.

    ## Observation Space
    A top-down 96x96 RGB image of the car and race track, uint8, with the indicator panel in the bottom 12 rows.

    ## Rewards
    -0.1 every frame and +1000/N for every track tile visited, where N is the total number of tiles; -100 off the field.

    ## Starting State
    The car starts at rest in the center of the road. For training data only, `reset(options={"start": Start(...)})`
    puts it elsewhere on the same track.

    ## Episode Termination
    All tiles are visited, or the car leaves the playfield. `gymnasium.make` adds a time limit of 1000 frames.

    ## Arguments
    Those of CarRacing-v3. `render_mode` "human" and "rgb_array" give Gymnasium's own pictures.
    """

    def __init__(
        self,
        render_mode: str | None = None,
        verbose: bool = False,
        lap_complete_percent: float = 0.95,
        domain_randomize: bool = False,
        continuous: bool = True,
        scenes: Scenes | None = None,
        row: int = 0,
    ) -> None:
        """`scenes` and `row`: where this environment keeps its scene when it is one of a batch. Raises UserError with a
        Gymnasium whose panel is another."""
        _require_the_panel_that_we_draw()
        self._frames: Frames | None = None
        self._tiles: Tiles | None = None
        super().__init__(render_mode, verbose, lap_complete_percent, domain_randomize, continuous)
        self._scenes = Scenes.empty(1) if scenes is None else scenes
        self._row = row
        self.fd_tile.isSensor = True
        self._tile = Box2D.b2BodyDef()  # at rest for ever
        self._road_poly: list | None = None
        self._drawing = True
        self._start: Start | None = None
        self._blank = np.zeros((gym_car.STATE_H, gym_car.STATE_W, 3), np.uint8)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        """Start an episode, as Gymnasium's CarRacing does; at `options["start"]` if that is given. With
        `domain_randomize`, `options["randomize"]` says whether colours are drawn anew. Raises UserError for others."""
        require_known_options(options, ("start", "randomize"), "reverie/CarRacing-v3")
        self._start = (options or {}).get("start")
        if not isinstance(self._start, Start | None):
            raise UserError(f"reset option 'start' must be a reverie.envs.vector.Start, not {self._start!r}")
        with freed_shapes():
            obs: Any = super().reset(seed=seed, options=options)[0]
        self.track[0] = self._first_point
        return obs, {}

    def reset_undrawn(self, seed: int, start: Start | None = None) -> None:
        """Reset, and read the scene without drawing it."""
        self._drawing = False
        try:
            self.reset(seed=seed, options={"start": start})
        finally:
            self._drawing = True
        self._scenes.load_state(self._row, self)

    def close(self) -> None:
        """Leaves nothing: bodies that stay in their world keep themselves alive, and all that they touch."""
        super().close()
        self._destroy()

    def step(self, action: Any) -> tuple[Any, float, bool, Any, dict[str, Any]]:
        """As CarRacing-v3: (picture, reward, terminated, truncated, info). action: (3,), or a number of five."""
        begins: Any = action is None  # the first frame, of `reset`
        driven = None if begins else self._frames or self._take_frames()
        numbers: Any = action.astype(np.float64) if driven else None
        if not driven or not np.isfinite(numbers).all():
            return super().step(action)
        reward, terminated, _ = driven.advance(float(numbers[0]), float(numbers[1]), float(numbers[2]), 1)
        self.state = self._draw(driven.shown)
        info = {"lap_finished": not driven.left_the_field} if terminated else {}
        return self.state, reward, terminated, False, info

    def advance(self, action: Any, frames: int = 1) -> tuple[float, bool, int]:
        """Up to `frames` frames without drawing, fewer if the episode ends: (sum of rewards, terminated, frames).
        `action` as for `step`."""
        driven = self._frames or self._take_frames()
        if driven:
            steer, gas, brake = map(float, action)
            return driven.advance(steer, gas, brake, frames)
        numbers: Any = _Action(map(float, action)) if self.continuous else action
        rew, terminated, done = 0.0, False, 0
        self._drawing = False
        try:
            while done < frames and not terminated:
                _, reward, terminated, _, _ = super().step(numbers)
                rew, done = rew + float(reward), done + 1
        finally:
            self._drawing = True
        return rew, terminated, done

    def _take_frames(self) -> Frames | None:
        """Frames that are driven without Gymnasium's code, where that is possible: its own pictures show skid marks,
        which only that code makes."""
        if self.continuous and self.render_mode is None and self._car is not None:
            self._tiles = self._tiles or Tiles.of(self._road, self.scene[1])
            self._frames = Frames.of(self, self._car, self._world, self._tiles)
        return self._frames

    @property
    def car(self) -> Any:
        """Gymnasium's, None before the first reset. Who looks at it sees wheels as they are; who keeps it has to look
        here again after the next frame."""
        self._give_back()
        return self._car

    @car.setter
    def car(self, car: Any) -> None:  # pyright: ignore[reportIncompatibleVariableOverride] (it is one there)
        self._car, self._frames = car, None

    @property
    def world(self) -> Any:
        """Box2D's. Who steps it, or destroys what is in it, has Gymnasium's listener notice that."""
        self._give_back()
        return self._world

    @world.setter
    def world(self, world: Any) -> None:  # pyright: ignore[reportIncompatibleVariableOverride] (it is one there)
        self._give_back()
        self._world = world

    @property
    def road(self) -> Any:
        """Gymnasium's tiles. Who looks at them may change what is noticed of them."""
        self._give_back()
        return self._road

    @road.setter
    def road(self, road: Any) -> None:  # pyright: ignore[reportIncompatibleVariableOverride] (it is one there)
        self._road = road

    def _give_back(self) -> None:
        if self._frames:
            self._frames.give_back()
            self._frames = None

    def read_scene(self) -> None:
        """Bring the scene's state up to date with the simulation."""
        if self._frames:
            self._frames.look(self.t, self._scenes.states[self._row])
        else:
            self._scenes.load_state(self._row, self)

    @property
    def scene(self) -> tuple[np.ndarray, ...]:
        """Edges, colours and kerbs of the track, palette and state; see `Scenes`."""
        return self._scenes.row(self._row)

    @property
    def wheels_on_grass(self) -> int:
        """Wheels that touch no tile, 0 to 4."""
        assert self._car is not None, "reset first"
        return sum(not wheel.tiles for wheel in self._car.wheels)

    def _create_track(self) -> bool:
        """Gymnasium's, faster: compiled geometry, and nothing that only its own pictures need."""
        track = make_track(self.np_random.uniform(DRAW_LOW, DRAW_HIGH))
        self.road = []
        self.start_alpha = START_ALPHA
        if not len(track.points):
            return False
        self._scenes.load_track(self._row, track, self)
        self._track = track
        self._create_tiles()
        self.track = [tuple(point) for point in track.points.tolist()]
        self._first_point = self.track[0]
        if self._start is not None:  # Gymnasium puts the car on the first point of its track; reset then restores it
            self.track[0] = self._pose(self._start)
        if self.verbose:
            print(f"Track generation: {len(self.track)}-tiles track")  # noqa: T201 (as Gymnasium's own)
        return True

    def _create_tiles(self) -> None:
        """The bodies that notice the car. Their colours are views of the scene's, so that contacts change both."""
        edges, colors, *_ = self.scene
        corners, self._tiles = edges.tolist(), None
        shape, create_body, road = self.fd_tile.shape, self.world.CreateBody, self.road
        x0, y0, x1, y1 = corners[-1]
        for i, (x2, y2, x3, y3) in enumerate(corners):
            shape.vertices = [(x2, y2), (x3, y3), (x1, y1), (x0, y0)]
            tile = create_body(self._tile)
            tile.CreateFixture(self.fd_tile)
            tile.userData = tile
            tile.color = colors[i]
            tile.road_visited = False
            tile.road_friction = 1.0
            tile.idx = i
            road.append(tile)
            x0, y0, x1, y1 = x2, y2, x3, y3

    @property
    def road_poly(self) -> list[tuple[list[tuple[float, float]], Any]]:
        """Polygons for Gymnasium's own pictures: tiles and kerbs with their colours, made when they are asked for."""
        if self._road_poly is None:
            self._road_poly = polygons(self._track, self.scene[1])
        return self._road_poly

    @road_poly.setter
    def road_poly(self, polygons: list) -> None:
        self._road_poly = polygons or None  # Gymnasium's reset empties the list: to be made anew

    def _pose(self, start: Start) -> tuple[float, float, float, float]:
        """A start as one of Gymnasium's track points: (alpha, beta, x, y)."""
        alpha, beta, x, y = self.track[int(start.fraction * len(self.track)) % len(self.track)]
        x, y = x + start.offset * math.cos(beta), y + start.offset * math.sin(beta)
        return alpha, beta + start.heading, x, y

    def _render(self, mode: str) -> Any:
        if mode != "state_pixels":
            return super()._render(mode)
        if not self._drawing:
            return self._blank
        return self._draw(self.reward)

    def _draw(self, score: float) -> np.ndarray:
        self.read_scene()
        edges, colors, kerbs, palette, state = self.scene
        return render_96(edges, colors, kerbs, palette, state, score_picture(f"{score:04.0f}"))
