"""The one exception for what a user can mend."""

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

LONGEST = 2000
"""Characters of a message: what it quotes of a file that is damaged may have any length."""


class UserError(Exception):
    """Something the user can mend: one line that says what is wrong, where, and what to do.

    `usage` tells a mistake in what was asked (exit code 2) from one in what was found (exit code 1). Of a message that
    is too long the middle is left out.
    """

    def __init__(self, message: str, *, usage: bool = False) -> None:
        half = LONGEST // 2
        super().__init__(message if len(message) <= LONGEST else f"{message[:half]} ... {message[-half:]}")
        self.usage = usage


def require_known_options(options: Mapping[str, Any] | None, known: Sequence[str], of: str) -> None:
    """Raises UserError where `reset(options=...)` of an environment is given what it does not know."""
    unknown = [name for name in options or {} if name not in known]
    if unknown:
        knows = f"it knows {', '.join(known)}" if known else "it has none"
        raise UserError(f"reset option {unknown[0]!r} is not one of {of}: {knows}; leave it out")


def require_extra(extra: str, modules: Sequence[str], of: str) -> None:
    """Raises UserError where `modules`, which the package's `extra` installs and `of` takes, are not there."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"{' and '.join(missing)} not installed: `pip install 'reverie[{extra}]'` adds what {of} takes")
