"""A spec of actions in a file: the one place that knows all kinds."""

from functools import cache
from typing import Annotated, Any

from pydantic import Discriminator, TypeAdapter

from reverie.actions.box import BoxActions
from reverie.actions.car import SteerGasBrake, SteerPedal
from reverie.actions.categories import Categories
from reverie.actions.contract import ActionSpec
from reverie.actions.sidestep import Sidestep

AnyActions = Annotated[BoxActions | SteerGasBrake | SteerPedal | Categories | Sidestep, Discriminator("kind")]
"""A spec in a file; `kind` says which."""


def as_json(actions: ActionSpec) -> dict[str, Any]:
    """What JSON can hold of a spec."""
    return _adapter().dump_python(actions, mode="json")


def from_json(values: Any) -> ActionSpec:
    """The spec that `as_json` wrote. Raises pydantic's ValidationError where it is none."""
    return _adapter().validate_python(values)


@cache
def _adapter() -> TypeAdapter[Any]:
    return TypeAdapter(AnyActions)
