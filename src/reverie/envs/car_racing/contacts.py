"""Which tiles the wheels touch, noticed by compiled code.

Gymnasium listens in Python to each contact that begins or ends: a good driver makes six or seven a frame, which takes
about as long as the physics. For one frame its listener is given a table of functions of ours. They do what it does, to
the last bit, in arrays: the colour of a tile, who touches it, who was its first.
"""

import ctypes
import functools
from dataclasses import dataclass
from typing import Any

import Box2D
import numpy as np
from gymnasium.envs.box2d import car_racing as gym_car
from numba import carray, types  # pyright: ignore[reportPrivateImportUsage] (numba's documented name)
from numpy.typing import ArrayLike, NDArray

from reverie.compiled import called_from_c, compiled
from reverie.envs.car_racing.addresses import TABLE_BEFORE, function, functions_of, pointer, words

_SYMBOL = "_ZN30SwigDirector_b2ContactListener{}EP9b2Contact"
_BEGIN, _END, _FUNCTIONS = 2, 3, 6  # places in a listener's table, and how many functions it has
_FIXTURE_A, _FIXTURE_B, _BODY = 12, 13, 2  # places in a contact, and in a fixture, in numbers of eight bytes

_WHEELS = 4
_ROOM = 1024  # for beginnings and ends of contacts between wheels and tiles
# Places in a table, of numbers of eight bytes: behind the functions lies what ours have to know.
_LISTENER, _THEIRS, _TILES, _NUM_FRESH, _NUM_EVENTS = (TABLE_BEFORE + _FUNCTIONS + k for k in range(5))
_BODIES, _ORDER, _TOUCHING, _VISITED, _FRESH, _EVENTS, _COLORS, _COLOR, _AT = (_NUM_EVENTS + 1 + k for k in range(9))
_ON = _AT + _WHEELS  # how many tiles each wheel touches
_SIZE = _ON + _WHEELS


@dataclass(frozen=True)
class Tiles:
    """The tiles of a road, and where Box2D keeps them."""

    road: list[Any]
    colors: NDArray[np.float64]
    """(n, 3)"""
    bodies: NDArray[np.int64]
    """(n,) addresses, from least to most."""
    order: NDArray[np.int64]
    """(n,) which tile has which."""

    @classmethod
    def of(cls, road: list[Any], colors: NDArray[np.float64]) -> "Tiles":
        """Those of Gymnasium's road, with colors (n, 3)."""
        bodies = np.array([int(tile.this) for tile in road], np.int64)
        order = np.argsort(bodies)
        return cls(road, colors, bodies[order], order)


class Contacts:
    """What the wheels of Gymnasium's car touch."""

    def __init__(self, car: Any, listener: Any, tiles: Tiles, color: ArrayLike) -> None:
        """Takes over from the listener of a CarRacing that `can_notice`. color (3,): of visited tiles."""
        self._on, self._road = [wheel.tiles for wheel in car.wheels], tiles.road
        n = len(self._road)
        self._touching, self._events = np.zeros((_WHEELS, n), np.uint8), np.zeros(_ROOM, np.int64)
        for on, touching in zip(self._on, self._touching, strict=True):
            touching[[tile.idx for tile in on]] = 1
        self.fresh = np.zeros(n, np.int64)
        """Tiles that were visited for the first time since `notice`, as many as `num_fresh` says."""
        visited = np.array([tile.road_visited for tile in self._road], np.uint8)
        self.color = np.array(color, np.float64)
        """(3,) of visited tiles."""
        flags = self._touching, visited, self.fresh, self._events
        self._kept = tiles.bodies, tiles.order, *flags, tiles.colors, self.color

        address = int(listener.this)
        self.table = np.zeros(_SIZE, np.int64)
        self.table[:_LISTENER] = functions_of(address, _FUNCTIONS)
        self.table[TABLE_BEFORE + _BEGIN : _LISTENER] = [each.address for each in (_begin, _end, _nothing, _nothing)]
        self.table[_LISTENER], self.table[_TILES] = address, n
        self.table[_THEIRS] = ctypes.c_int64.from_address(address).value
        self.table[_BODIES:_AT] = [array.ctypes.data for array in self._kept]
        self.table[_AT:_ON] = [int(wheel.this) for wheel in car.wheels]
        self.table[_ON:] = self._touching.sum(1)

    def tell(self) -> None:
        """Tells Gymnasium's wheels and tiles what was noticed since `notice`."""
        for tile in self.fresh[: self.table[_NUM_FRESH]].tolist():
            self._road[tile].road_visited = True
        num = int(self.table[_NUM_EVENTS])
        for event in self._events[:num].tolist() if num <= _ROOM else ():
            place, begins = divmod(event, 2)
            k, tile = divmod(place, len(self._road))
            (self._on[k].add if begins else self._on[k].discard)(self._road[tile])
        if num > _ROOM:
            for on, touching in zip(self._on, self._touching, strict=True):
                on.clear()
                on.update(self._road[tile] for tile in np.flatnonzero(touching).tolist())


def can_notice(env: Any, world: Any) -> bool:
    """Whether the listener of this CarRacing is Gymnasium's, and works as we expect."""
    listener = world.contactListener
    names = {"BeginContact", "EndContact", "_contact"}
    if type(listener) is not gym_car.FrictionDetector or listener.env is not env or names & set(vars(listener)):
        return False
    if world.contactFilter is not None or not _knows_contacts():  # Box2D would call its Python
        return False
    table = functions_of(int(listener.this), _FUNCTIONS)
    symbols = {_BEGIN: "12BeginContact", _END: "10EndContact"}
    return all(table[TABLE_BEFORE + slot] == function(_SYMBOL.format(name)) for slot, name in symbols.items())


def are_ours(tiles: Tiles) -> bool:
    """Whether tiles are as slippery as Gymnasium makes them."""
    return all(tile.road_friction == 1.0 for tile in tiles.road)


@functools.cache
def _knows_contacts() -> bool:
    """Whether contacts, and fixtures, lie in memory as expected."""
    world = Box2D.b2World(gravity=(0, 0))
    shape: Any = Box2D.b2FixtureDef(shape=Box2D.b2PolygonShape(box=(1, 1)), density=1, isSensor=True)
    bodies: Any = [world.CreateDynamicBody(position=(0, k), fixtures=shape) for k in range(2)]
    world.Step(0.1, 1, 1)
    contact: Any = world.contacts[0]
    fixtures = contact.fixtureA, contact.fixtureB
    found = (ctypes.c_int64 * 14).from_address(int(contact.this))
    owners = [(ctypes.c_int64 * 3).from_address(int(fixture.this))[_BODY] for fixture in fixtures]
    sides = [found[_FIXTURE_A], found[_FIXTURE_B]] == [int(fixture.this) for fixture in fixtures]
    return sides and sorted(owners) == sorted(int(body.this) for body in bodies)


@compiled()
def notice(table):
    """From here on our functions listen. table: of `Contacts`."""
    table[_NUM_FRESH] = table[_NUM_EVENTS] = 0
    words(table[_LISTENER])[0] = table.ctypes.data + 8 * TABLE_BEFORE


@compiled()
def leave(table):
    """From here on Gymnasium's listen."""
    words(table[_LISTENER])[0] = table[_THEIRS]


@compiled()
def num_fresh(table):
    """How many tiles were visited for the first time since `notice`."""
    return table[_NUM_FRESH]


@compiled()
def is_on(table, k):
    """Whether the k-th wheel touches a tile."""
    return table[_ON + k] > 0


@called_from_c(types.void(types.int64, types.int64))
def _begin(listener, contact):
    _heed(listener, contact, True)


@called_from_c(types.void(types.int64, types.int64))
def _end(listener, contact):
    _heed(listener, contact, False)


@called_from_c(types.void(types.int64, types.int64, types.int64))
def _nothing(listener, contact, manifold):
    """Gymnasium's listener does nothing before and after a contact is solved, and no tile's ever is."""


@compiled()
def _heed(listener, contact, begins):
    """What Gymnasium does when a contact, given by its address, begins or ends."""
    table, sides = words(words(listener)[0] - 8 * TABLE_BEFORE), words(contact)
    other, body = words(sides[_FIXTURE_A])[_BODY], words(sides[_FIXTURE_B])[_BODY]
    tile = _tile(table, body)
    if tile < 0:
        other, tile = body, _tile(table, other)
    if tile < 0:
        return
    n = table[_TILES]
    colors, color = _numbers(table[_COLORS], 3 * n), _numbers(table[_COLOR], 3)
    for i in range(3):
        colors[3 * tile + i] = color[i]
    for k in range(_WHEELS):
        if other == table[_AT + k]:
            touching, visited = _flags(table[_TOUCHING] + k * n, n), _flags(table[_VISITED], n)
            table[_ON + k] += begins - touching[tile]
            touching[tile] = begins
            if table[_NUM_EVENTS] < _ROOM:
                _integers(table[_EVENTS], _ROOM)[table[_NUM_EVENTS]] = 2 * (k * n + tile) + begins
            table[_NUM_EVENTS] += 1
            if begins and not visited[tile]:
                visited[tile] = True
                _integers(table[_FRESH], n)[table[_NUM_FRESH]] = tile
                table[_NUM_FRESH] += 1


@compiled()
def _tile(table, body):
    """Which tile has this body, by a search in halves; -1 for none."""
    n = table[_TILES]
    bodies, low, high = _integers(table[_BODIES], n), 0, n
    while low < high:
        middle = (low + high) // 2
        if bodies[middle] < body:
            low = middle + 1
        else:
            high = middle
    return _integers(table[_ORDER], n)[low] if low < n and bodies[low] == body else -1


@compiled()
def _integers(address, n):
    return carray(pointer(address), n, np.int64)  # pyright: ignore[reportCallIssue] (numba gives the context)


@compiled()
def _numbers(address, n):
    return carray(pointer(address), n, np.float64)  # pyright: ignore[reportCallIssue] (as above)


@compiled()
def _flags(address, n):
    return carray(pointer(address), n, np.uint8)  # pyright: ignore[reportCallIssue] (as above)
