"""Which worlds can begin an episode elsewhere than they usually do, and where."""

from reverie.envs.config import EnvConfig
from reverie.envs.known import KNOWN, is_fast, load, worlds_with
from reverie.envs.vector import Start
from reverie.errors import UserError


def require_start(config: EnvConfig, kind: str, asked: str | None = None) -> None:
    """Raises UserError where episodes cannot begin elsewhere than they usually do, in the way called `kind`, as
    `collect.starts` or the share `asked` wants it."""
    world = KNOWN.get(config.name)
    if world is None or kind not in world.starts or not is_fast(config):
        said, cure = f"collect.starts = {kind!r}", "collect.starts = 'line'"
        if asked:
            said, cure = f"{asked} > 0", f"{asked} = 0"
        raise UserError(
            f"{said} needs {worlds_with(lambda one: kind in one.starts)} with env.renderer = 'fast': set {cure}",
            usage=True,
        )


def start(config: EnvConfig, kind: str, seed: int, index: int, place: float = 0.0) -> Start:
    """Where episode `index` of a run with this seed begins, in the way called `kind`: of them, "before" begins before a
    `place` of the lap, from 0 to 1. UserError as `require_start`."""
    require_start(config, kind)
    return load(KNOWN[config.name].start)(kind, seed, index, place)
