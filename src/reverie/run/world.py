"""The world of a run: whether it can be lived in as a recipe says, and whether two runs are of the same one."""

from reverie.envs.available import require_env
from reverie.envs.config import RENDERED, EnvConfig
from reverie.envs.random_policies import require_policy
from reverie.envs.registry import spec_of
from reverie.envs.starts import require_start
from reverie.errors import UserError
from reverie.interchange.sources import Source
from reverie.notes import note
from reverie.run.recipe import RunConfig

TINY = 16
"""Pixels. Smaller pictures of worlds are codes of what stands where, as a rule."""


def require_world(config: RunConfig) -> None:
    """Raises UserError where the world cannot be made, seen or acted in, or not be collected in as the recipe says."""
    collect, rounds = config.collect, config.rounds
    require_env(config.env)
    spec = spec_of(config.env)
    if min(spec.picture.shape[:2]) < TINY:
        size = " x ".join(map(str, spec.picture.shape[:2]))
        note(
            f"the picture of {config.env.id} is {size} pixels: where that is a code and no picture, set env.picture = "
            f"{RENDERED!r} to see what it draws for people"
        )
    if source := source_of(config):
        next(iter(source))  # what does not fit is seen by the first episode, mostly
    if collect.is_taken and rounds.num == 1:
        return
    is_blind = rounds.num > 1 or config.by_agent(collect.episodes) < collect.episodes
    if is_blind and collect.policy not in ("random", "networks"):
        for kind in ("menu", "walk") if collect.policy == "mixed" else (collect.policy,):
            require_policy(config.env, kind)
    if collect.starts != "line":
        require_start(config.env, collect.starts)
    for key, kind in (("failures", "before"), ("beside", "beside")):
        if rounds.num > 1 and getattr(rounds, key):
            require_start(config.env, kind, f"rounds.{key}")
    if rounds.num > 1 and rounds.failures and spec.largest_return is None:
        raise UserError(
            f"rounds.failures finds places by their share of the largest return, which {config.env.id} does not say: "
            "set rounds.failures = 0",
            usage=True,
        )


def source_of(config: RunConfig) -> Source | None:
    """Where the run takes its episodes from, or None where it drives them itself, as later rounds do. Raises UserError
    where there is no such thing."""
    collect = config.collect
    if not collect.is_taken or config.rounds.num > 1:
        return None
    return Source(config.env, minari=collect.from_minari, npz=collect.from_npz, rewards=collect.npz_rewards)


def check_same_world(ours: RunConfig, theirs: RunConfig, who: str) -> None:
    """Raises UserError where the driver of one run, named `who`, would not know the world of another."""
    if not ours.env.is_same_world(theirs.env):
        raise UserError(
            f"{who} drives {_in_words(theirs.env)}, not {_in_words(ours.env)}: choose an agent of the same world"
        )


def _in_words(env: EnvConfig) -> str:
    """What makes it the world that it is."""
    further = "".join(
        f", env.{key} = {value!r}" for key, value in (("kwargs", env.kwargs), ("picture", env.picture)) if value
    )
    return f"{env.id} with env.action_repeat = {env.action_repeat}{further}"
