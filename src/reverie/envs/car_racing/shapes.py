"""Shapes of bodies that are freed with their definitions.

Box2D's Python binding makes a fixture definition the owner of its shape and then never frees it: 300 bytes for each
part of each car that Gymnasium builds, which is 2.4 kB a reset, and with what lies between them up to 3.5.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium
from gymnasium.envs.box2d import car_dynamics

_dynamics: Any = car_dynamics
_FixtureDef = _dynamics.fixtureDef


class _OwnedByPython(_FixtureDef):
    """A fixture definition that only borrows its shape; a body makes a copy of it anyway."""

    def __init__(self, *, shape: Any, **others: Any) -> None:
        super().__init__(shape=shape, **others)
        shape.thisown = True
        self._borrowed = shape  # for as long as the definition points to it


@contextmanager
def freed_shapes() -> Iterator[None]:
    """While Gymnasium builds a car."""
    _dynamics.fixtureDef = _OwnedByPython
    try:
        yield
    finally:
        _dynamics.fixtureDef = _FixtureDef


class FreedShapes(gymnasium.Wrapper):
    """CarRacing as Gymnasium makes it, but for what its resets lose."""

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """As the environment itself."""
        with freed_shapes():
            return self.env.reset(**options)
