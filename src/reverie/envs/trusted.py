"""Which modules may be imported because a world is called `module:id`. To import a module is to run it, and the name of
a world may stand in a file that somebody else wrote: only those that whoever uses Reverie has named are imported."""

import os
import sys
from collections.abc import Iterable

from reverie.errors import UserError

VARIABLE = "REVERIE_TRUST"
"""Names of modules, with commas between them; worker processes inherit it."""
KNOWN = ("ale_py", "gymnasium", "minigrid", "reverie.envs")
"""Modules that do nothing but tell Gymnasium of worlds."""


def trust(modules: Iterable[str]) -> None:
    """These may be imported, from now on, in this process and in those that it starts. Raises UserError for what is no
    name of a module."""
    found = trusted()
    for module in modules:
        if not all(part.isidentifier() for part in module.split(".")):
            raise UserError(f"--trust {module}: give the name of a module", usage=True)
        found.append(module)
    os.environ[VARIABLE] = ",".join(dict.fromkeys(found))


def trusted() -> list[str]:
    """Modules that were named so far, in this process or in the environment that it was started in."""
    return [name for part in os.environ.get(VARIABLE, "").split(",") if (name := part.strip())]


def require_trusted(module: str, world: str) -> None:
    """Raises UserError where a `world` names a module that nobody has named but the file which the world stands in.

    One that is imported already does nothing more: then a program has named it.
    """
    if module in KNOWN or module in trusted():
        return
    if module not in sys.modules:
        raise UserError(
            f"env.id {world!r} would import the module {module}, and so run it: if you trust what is installed under "
            f"that name, add --trust {module}, or set {VARIABLE}={module}; in Python, import it first"
        )
    trust([module])  # for worker processes, which have not imported it
