"""What can be done in a world: how C's outputs become an action, what M reads of it, and what the environment is given.

Everywhere in the package (in episodes, in M, in dreams) an action is a row of `a` numbers, as M reads it. Only the step
of an environment is given it in that environment's own terms (`to_env`). A spec is pure data and pure functions: it can
be hashed, pickled, and kept in a file (`as_json`).
"""

from reverie.actions.box import BoxActions
from reverie.actions.car import SteerGasBrake, SteerPedal
from reverie.actions.categories import Categories
from reverie.actions.contract import ActionSpec
from reverie.actions.files import AnyActions, as_json, from_json
from reverie.actions.sidestep import Sidestep

__all__ = [
    "ActionSpec",
    "AnyActions",
    "BoxActions",
    "Categories",
    "Sidestep",
    "SteerGasBrake",
    "SteerPedal",
    "as_json",
    "from_json",
]
