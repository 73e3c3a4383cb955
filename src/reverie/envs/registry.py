"""Names of environments and the classes behind them, loaded only when one is made; what is known of each world."""

import contextlib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

from reverie.challenge import Challenge
from reverie.envs.config import FAST_ID, EnvConfig
from reverie.envs.spec import EnvSpec, spec_from
from reverie.envs.trusted import require_trusted
from reverie.errors import UserError

if TYPE_CHECKING:
    import gymnasium

    from reverie.envs.pixels import GymnasiumBatch
    from reverie.envs.truth import LabelledEnv
    from reverie.envs.vector import Start, VectorEnv


@dataclass(frozen=True, kw_only=True)
class _World:
    """Where the parts of a world are that we know more of than its spaces: `module:name` each."""

    module: str = "gymnasium"
    """What registers it."""
    packages: tuple[str, ...]
    """What it is made of, beside Gymnasium: other versions are other worlds, strictly speaking."""
    extra: str | None = None
    """Of this package, with which that is installed."""
    programs: tuple[str, ...] = ()
    """Arguments that name files which tell a program what to do: no recipe may say them."""
    fast_id: str | None = None
    """With a rasteriser of our own, as Gymnasium knows it; None where there is none."""
    batch: str
    """The same as a vector environment."""
    wrapper: str
    """Around it where Gymnasium draws it."""
    spec: str
    has_truth: bool = False
    """Whether `batch` says what is true of its scenes."""
    policies: Mapping[str, str] = field(default_factory=dict)
    """Random policies that know what its actions mean."""
    start: str = ""
    """Where an episode begins elsewhere than it usually does."""
    starts: tuple[str, ...] = ()
    """Ways to choose such places."""
    challenged: str = ""
    """Around `batch` or Gymnasium's own, what shows them as a challenge wants it."""
    on_demand: str | None = None
    """What spares Gymnasium's own the pictures that nobody sees."""


_CAR_RACING = "reverie.envs.car_racing"
_TAKE_COVER = "reverie.envs.take_cover"
_KNOWN = {
    "CarRacing-v3": _World(
        packages=("box2d",),
        fast_id=FAST_ID,
        batch=f"{_CAR_RACING}.batch:CarRacingBatch",
        wrapper=f"{_CAR_RACING}.shapes:FreedShapes",
        spec=f"{_CAR_RACING}.spec:spec",
        has_truth=True,
        policies={
            "menu": f"{_CAR_RACING}.random_policies:MenuPolicy",
            "walk": f"{_CAR_RACING}.random_policies:WalkPolicy",
        },
        start=f"{_CAR_RACING}.starts:start",
        starts=("structured", "random", "beside", "before"),
        challenged=f"{_CAR_RACING}.challenges:ChallengedCars",
        on_demand=f"{_CAR_RACING}.on_demand:draw_on_demand",
    ),
    "VizdoomTakeCover-v1": _World(
        module="vizdoom.gymnasium_wrapper",
        packages=("vizdoom",),
        programs=("scenario_config_file",),
        extra="doom",
        batch=f"{_TAKE_COVER}.batch:TakeCoverBatch",
        wrapper=f"{_TAKE_COVER}.watched:Watched",
        spec=f"{_TAKE_COVER}.spec:spec",
        policies={"menu": f"{_TAKE_COVER}.random_policies:HeldPolicy"},
    ),
}
_GYMNASIUM_BATCH = "reverie.envs.pixels:GymnasiumBatch"


def register() -> None:
    """Tell Gymnasium of `reverie/CarRacing-v3`; safe to call again. Loads no code of the environment."""
    from gymnasium.envs import registration

    if FAST_ID in registration.registry:
        return
    # A loader of plugins sets the namespace itself and refuses one in the id.
    name = FAST_ID if registration.current_namespace is None else FAST_ID.split("/")[1]
    registration.register(
        id=name,
        entry_point="reverie.envs.car_racing.env:FastCarRacing",
        max_episode_steps=1000,
        reward_threshold=900,
    )


def make_env(config: EnvConfig, **kwargs: Any) -> "gymnasium.Env":
    """One Gymnasium environment with its own observations; `kwargs` go to `gymnasium.make` (render_mode, ...).

    The time limit is `config.max_frames`; one step is one simulator frame, whatever `config.action_repeat` says. Where
    what it renders is to be seen, it renders arrays. Raises UserError where it cannot be made.
    """
    import gymnasium

    require_env(config)
    name, wrapper, world = config.name, None, _KNOWN.get(config.name)
    if world and world.fast_id and _is_fast(config):
        register()
        name = world.fast_id
    elif world:
        wrapper = world.wrapper
    rendered: dict[str, Any] = {"render_mode": "rgb_array"} if config.is_rendered else {}
    arguments = rendered | config.kwargs | kwargs
    try:
        env = gymnasium.make(name, max_episode_steps=config.max_frames, **arguments)
    except Exception as error:
        raise UserError(
            f"env.id {config.id!r} cannot be made with env.kwargs = {config.kwargs} "
            f"({type(error).__name__}: {_first_line(error)}): correct them, or install what it needs"
        ) from error
    return _load(wrapper)(env) if wrapper else env


def make_vector_env(config: EnvConfig, num_envs: int, challenge: Challenge | None = None) -> "VectorEnv":
    """A batch of `num_envs` environments that give (64, 64, 3) frames, shown as the `challenge` wants it; see
    `reverie.envs.vector.VectorEnv`. UserError as `require_challenge`."""
    if num_envs < 1:
        raise UserError(f"num_envs is {num_envs}: give at least 1")
    require_env(config)
    if challenge:
        require_challenge(config, challenge)
    batch = _load(_KNOWN[config.name].batch if _is_fast(config) else _GYMNASIUM_BATCH)
    env = batch(config, num_envs, spec_of(config))
    return _load(_KNOWN[config.name].challenged)(env, challenge) if challenge else env


def make_watched(config: EnvConfig, render_mode: str | None) -> "GymnasiumBatch":
    """One environment that Gymnasium draws and shows, and whose steps are single simulator frames."""
    from reverie.envs.pixels import GymnasiumBatch

    shown = {} if render_mode is None else {"render_mode": render_mode}
    return GymnasiumBatch(replace(config, action_repeat=1, renderer="gymnasium"), 1, spec_of(config), **shown)


def draw_on_demand(config: EnvConfig, env: "gymnasium.Env[Any, Any]") -> Callable[[], Any] | None:
    """What draws what is seen of an `env` of Gymnasium's own, when it is asked: what it renders where that is seen, or
    the observation, which it draws no more itself from now on; None in a world where nobody knows how."""
    if config.is_rendered:
        return env.render
    world = _KNOWN.get(config.name)
    return _load(world.on_demand)(env) if world and world.on_demand else None


@lru_cache(maxsize=8)
def spec_of(config: EnvConfig) -> EnvSpec:
    """What there is to know of the world, installed or not, if we know it. Raises UserError where it cannot be
    made, shows no picture, or asks for actions that C cannot give."""
    world = _KNOWN.get(config.name)
    if world and config.picture:
        raise UserError(f"env.picture = {config.picture!r}: what is seen of {config.id} is known: leave it empty")
    if world and not config.kwargs:
        return _load(world.spec)(config)
    env = make_env(config, disable_env_checker=True)
    try:
        return _load(world.spec)(config) if world else spec_from(env, config)
    finally:
        env.close()


def versions_of(config: EnvConfig) -> dict[str, str]:
    """What the world is made of here, and in which versions: Gymnasium, and the package that it comes from."""
    world = _KNOWN.get(config.name)
    packages = world.packages if world else (config.module.partition(".")[0],)
    found = dict[str, str]()
    for name in ("gymnasium", *packages):
        with contextlib.suppress(metadata.PackageNotFoundError, ValueError):  # a module that is no package, or none
            found[name] = metadata.version(name)
    return found


def reward_scale(name: str) -> float:
    """The size of rewards that matter in the world that Gymnasium calls `name`, whether it can be made here or not."""
    world = _KNOWN.get(name)
    return _load(world.spec)(EnvConfig(id=name)).reward_scale if world else EnvSpec.reward_scale


def require_truth(config: EnvConfig, who: str) -> None:
    """Raises UserError where nobody can say what is true of a scene of the world that `who` was trained on."""
    world = _KNOWN.get(config.name)
    if world is None or not world.has_truth:
        known = _names(lambda one: one.has_truth)
        raise UserError(f"{who} was trained on {config.id}: only {known} says what is true of its scenes")


def has_challenges(config: EnvConfig) -> bool:
    """Whether the world can be shown otherwise than it is."""
    world = _KNOWN.get(config.name)
    return world is not None and bool(world.challenged) and not config.kwargs.get("domain_randomize")


def require_challenge(config: EnvConfig, challenge: str) -> None:
    """Raises UserError where a world is shown in one way only, or in random colours already."""
    if has_challenges(config):
        return
    if not config.kwargs.get("domain_randomize"):
        known = _names(lambda one: bool(one.challenged))
        raise UserError(
            f"there is a challenge {challenge!r} in {known} only, not in {config.id}: leave it out", usage=True
        )
    raise UserError(
        f"challenge {challenge!r} changes how {config.id} is shown, whose colours env.kwargs.domain_randomize draws "
        "anew: leave it out",
        usage=True,
    )


def labelled_env(config: EnvConfig, num_envs: int) -> "LabelledEnv":
    """A batch that says what is true of its scenes. Raises UserError where a world cannot."""
    require_truth(config, "what is to be measured")
    return _load(_KNOWN[config.name].batch)(config, num_envs, spec_of(config))


def require_start(config: EnvConfig, kind: str, asked: str | None = None) -> None:
    """Raises UserError where episodes cannot begin elsewhere than they usually do, in the way called `kind`, as
    `collect.starts` or the share `asked` wants it."""
    world = _KNOWN.get(config.name)
    if world is None or kind not in world.starts or not _is_fast(config):
        said, cure = f"collect.starts = {kind!r}", "collect.starts = 'line'"
        if asked:
            said, cure = f"{asked} > 0", f"{asked} = 0"
        raise UserError(
            f"{said} needs {_names(lambda one: kind in one.starts)} with env.renderer = 'fast': set {cure}",
            usage=True,
        )


def start(config: EnvConfig, kind: str, seed: int, index: int, place: float = 0.0) -> "Start":
    """Where episode `index` of a run with this seed begins, in the way called `kind`: of them, "before" begins before a
    `place` of the lap, from 0 to 1. UserError as `require_start`."""
    require_start(config, kind)
    return _load(_KNOWN[config.name].start)(kind, seed, index, place)


def require_policy(config: EnvConfig, kind: str) -> None:
    """Raises UserError where there is no random policy called `kind` that knows what actions mean in the world."""
    world = _KNOWN.get(config.name)
    if world is None or kind not in world.policies:
        raise UserError(
            f"collect.policy = {kind!r} knows how to act in {_names(lambda one: kind in one.policies)} only, not in "
            f"{config.id}: set collect.policy = 'random', or 'networks'",
            usage=True,
        )
    if spec_of(config).actions != spec_of(EnvConfig(id=config.name)).actions:
        raise UserError(
            f"collect.policy = {kind!r} steers and has pedals, and {config.id} with env.kwargs = {config.kwargs} does "
            "not: set collect.policy = 'random', or 'networks'",
            usage=True,
        )


def random_policy(config: EnvConfig, kind: str, *, hold: int, push: int, seed: int) -> Any:
    """That policy, a `reverie.policies.Policy`. UserError as `require_policy`."""
    require_policy(config, kind)
    return _load(_KNOWN[config.name].policies[kind])(hold, push, seed)


def _is_fast(config: EnvConfig) -> bool:
    return config.renderer == "fast" and config.name in _KNOWN


def _names(having: Callable[[_World], bool]) -> str:
    return " or ".join(name for name, world in _KNOWN.items() if having(world))


def require_env(config: EnvConfig) -> None:
    """Imports the module that registers the environment. Raises UserError where that is not installed or not trusted,
    and for what makes no sense."""
    import gymnasium

    if config.renderer not in ("fast", "gymnasium"):
        raise UserError(f"env.renderer is {config.renderer!r}: use 'fast' or 'gymnasium'")
    for key in ("action_repeat", "max_frames"):
        if getattr(config, key) < 1:
            raise UserError(f"env.{key} is {getattr(config, key)}: give at least 1")
    world = _KNOWN.get(config.name)
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
                f"{_first_line(error)}): correct its name, install it, or add its folder to PYTHONPATH"
            ) from error
    if config.name not in gymnasium.registry:
        cure = f"{_nearest(config.name, list(gymnasium.registry))}or install the package that registers it"
        hint = "" if config.module else " (module:id names one that a module registers)"
        raise UserError(f"env.id {config.id!r} is not known to Gymnasium: {cure}{hint}")


def _nearest(name: str, names: list[str]) -> str:
    import difflib

    found = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {found[0]!r}? Correct it " if found else "correct it "


def _first_line(error: Exception) -> str:
    return (str(error).strip() or "no reason given").splitlines()[0]


def _load(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
