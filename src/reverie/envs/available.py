"""Whether a world can be made here: installed, known to Gymnasium, and trusted."""

import importlib

from reverie.envs.config import EnvConfig
from reverie.envs.known import KNOWN
from reverie.envs.trusted import require_trusted
from reverie.errors import UserError


def require_env(config: EnvConfig) -> None:
    """Imports the module that registers the environment. Raises UserError where that is not installed or not trusted,
    and for what makes no sense."""
    import gymnasium

    if config.renderer not in ("fast", "gymnasium"):
        raise UserError(f"env.renderer is {config.renderer!r}: use 'fast' or 'gymnasium'")
    for key in ("action_repeat", "max_frames"):
        if getattr(config, key) < 1:
            raise UserError(f"env.{key} is {getattr(config, key)}: give at least 1")
    world = KNOWN.get(config.name)
    for key in world.programs if world else ():
        if key in config.kwargs:
            raise UserError(f"env.kwargs.{key}: {config.id} has its own, which may do anything: leave it out")
    if world and world.extra:
        try:
            importlib.import_module(world.module)
        except ImportError as error:
            raise UserError(
                f"env.id {config.id!r} needs what is not installed here ({error}): pip install 'reverie[{world.extra}]'"
            ) from error
    if config.module:
        require_trusted(config.module, config.id)
        try:
            importlib.import_module(config.module)
        except Exception as error:
            raise UserError(
                f"env.id {config.id!r}: module {config.module} cannot be imported ({type(error).__name__}: "
                f"{first_line(error)}): correct its name, install it, or add its folder to PYTHONPATH"
            ) from error
    if config.name not in gymnasium.registry:
        cure = f"{_nearest(config.name, list(gymnasium.registry))}or install the package that registers it"
        hint = "" if config.module else " (module:id names one that a module registers)"
        raise UserError(f"env.id {config.id!r} is not known to Gymnasium: {cure}{hint}")


def _nearest(name: str, names: list[str]) -> str:
    import difflib

    found = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {found[0]!r}? Correct it " if found else "correct it "


def first_line(error: Exception) -> str:
    """Of what the error says, for a message of one line."""
    return (str(error).strip() or "no reason given").splitlines()[0]
