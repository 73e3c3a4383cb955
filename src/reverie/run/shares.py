"""Settings that are shares of a whole."""

from collections.abc import Mapping
from typing import Annotated, TypeAlias

from annotated_types import Ge, Le

from reverie.errors import UserError

Share: TypeAlias = Annotated[float, Ge(0), Le(1)]


def check_together(shares: Mapping[str, float], whole: str) -> None:
    """Raises UserError where settings, by their names, are shares of the same whole and more than all of it."""
    if sum(shares.values()) > 1:
        named = " and ".join(f"{key} = {share:g}" for key, share in shares.items())
        raise UserError(f"{named} are shares of the same {whole}: give 1 at most together", usage=True)
