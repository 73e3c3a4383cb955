"""A setting's way from TOML to its use: the recipes that ship, reading any recipe, overrides, and checks that name
the mistake."""

import difflib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass, replace
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import tomli_w
from pydantic import ValidationError

from reverie.envs.config import EnvConfig
from reverie.envs.registry import reward_scale
from reverie.envs.trusted import trust
from reverie.errors import UserError
from reverie.measure.score import test_seeds
from reverie.models.files import SHIPPED
from reverie.reading import form_of, parse_toml, read_text, typed_path
from reverie.run.chain import round_before
from reverie.run.migration import migrate, migrate_override
from reverie.run.recipe import RunConfig
from reverie.run.search import SearchConfig
from reverie.writing import write_atomically

MEASURED = "measured"
"""The table of a recipe's file that says what it cost and scored when it was last run; not part of the config."""


_Config = TypeVar("_Config")


class UnfitSettings(UserError):
    """A recipe has a key, or a value of it, that this version does not know."""


def names() -> list[str]:
    """The recipes that ship, the default first."""
    order = ["quick", "standard", "marathon", "dream", "paper", "seed", "vae_gan", "quick_gan", "debug"]
    found = {Path(entry.name).stem for entry in _shipped().iterdir() if entry.name.endswith(".toml")}
    return sorted(found, key=lambda name: (order.index(name) if name in order else len(order), name))


def load(recipe: str, overrides: Sequence[str] = ()) -> RunConfig:
    """A recipe by its name or by a path to a TOML file, with `key=value` overrides. Raises UserError."""
    table, where = _table(recipe)
    table.pop(MEASURED, None)
    migrate(table, where)
    own = _world(table)
    table = _override(table, overrides)
    _fit_world(table, own, {text.partition("=")[0].strip() for text in overrides})
    return _build(table, where)


def trust_named(overrides: Sequence[str]) -> None:
    """Whoever says in so many words (`--set env.id=module:id`) which world it is to be trusts the module."""
    world = _get(_override({}, overrides), "env.id")
    if isinstance(world, str) and (module := EnvConfig(id=world).module):
        trust([module])


def chosen(kind: type[_Config], overrides: Sequence[str], where: str) -> _Config:
    """A config of this kind that is as it is by default, but for `key=value` overrides. Raises UserError, in which
    `where` says whose settings they are."""
    return _validated(kind, _override({}, overrides), where)


def forerunner_of(config: RunConfig) -> RunConfig | None:
    """The recipe of what a run trains first, for its agent to take part in collecting: its scout, or the round before;
    None where there is neither."""
    return round_before(config) or scout_of(config)


def scout_of(config: RunConfig) -> RunConfig | None:
    """The recipe of the run's scout, or None: with the seed, the world and the machine of the run, for whose driving it
    is trained. Raises UserError where there is no such recipe."""
    if not config.collect.scout:
        return None
    scout = load(config.collect.scout, [f"env.id={config.env.id}"])
    return replace(
        scout, seed=config.seed, workers=config.workers, device=config.device, env=config.env, agent=config.agent
    )


def check_scouts(config: RunConfig) -> None:
    """Raises UserError where a scout of a recipe, or the scout's own, and so on, is missing, or where none is the
    last."""
    passed = list[str]()
    while scout := scout_of(config):
        name = config.collect.scout
        if name in passed:
            way = " -> ".join([*passed, name])
            raise UserError(f"collect.scout goes in a circle ({way}): choose a scout without one", usage=True)
        passed.append(name)
        config = scout


def measured(recipe: str) -> dict[str, Any]:
    """What the recipe cost and scored when it was last run; empty if its file does not say."""
    return _table(recipe)[0].get(MEASURED, {})


def save(config: RunConfig, path: Path) -> None:
    """Writes the resolved configuration, so that a run can be continued from its folder alone."""
    with write_atomically(path) as file:
        file.write(as_toml(config))


def as_toml(config: RunConfig) -> bytes:
    """What `save` writes."""
    return tomli_w.dumps(asdict(config)).encode()


def flatten(config: RunConfig) -> dict[str, Any]:
    """The configuration as `section.key` -> value."""
    return flat_table(asdict(config))


def flat_table(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as `section.key` -> value."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= flat_table(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat


def _shipped() -> Traversable:
    return resources.files("reverie.run") / "recipes"


def _table(recipe: str) -> tuple[dict[str, Any], str]:
    if recipe.endswith(".toml"):
        path = typed_path(recipe)
        if not path.is_file():
            raise UserError(f"recipe file {path} does not exist: check the path, or see `reverie recipes`", usage=True)
        try:
            text, where = read_text(path), str(path)
        except UserError as error:
            raise UserError(f"recipe file {error}", usage=True) from error
    elif recipe in names():
        text, where = (_shipped() / f"{recipe}.toml").read_text(encoding="utf-8"), f"recipe {recipe}"
    else:
        raise UserError(f"there is no recipe {recipe!r}{_suggest(recipe, names())}: see `reverie recipes`", usage=True)
    try:
        return parse_toml(text), where
    except ValueError as error:
        raise UserError(f"{where} is not valid TOML: {error}", usage=True) from error


def _override(table: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UserError(f"--set {text}: write it as section.key=value", usage=True)
        if any("\ud800" <= letter <= "\udfff" for letter in text):  # a recipe could not say it
            raise UserError(f"--set {text}: it holds bytes that are no letters: give another name or path", usage=True)
        key, given = migrate_override(key.strip(), _parse(value.strip()))
        *sections, last = key.split(".")
        target = table
        for section in sections:
            target = target.setdefault(section, {})
            if not isinstance(target, dict):
                raise UserError(f"--set {text}: {section} is a value, not a section", usage=True)
        target[last] = given
    return table


_ANY_WORLD = {
    "memory.mirror": False,
    "collect.policy": "random",
    "collect.starts": "line",
    "rounds.failures": 0,
    "rounds.beside": 0,
}
"""What stands in for what a recipe says of the world that it was written for, in another one."""
_REWARD_SCALE = "memory.model.reward.scale"


def _world(table: Mapping[str, Any]) -> str | None:
    """The world of a recipe's table; None where what it says is no name."""
    env = table.get("env", {})
    name = env.get("id", EnvConfig.id) if isinstance(env, Mapping) else None
    return EnvConfig(id=name).name if isinstance(name, str) else None


def _fit_world(table: dict[str, Any], own: str | None, said: Collection[str]) -> None:
    """Gives a recipe the scale of its world's rewards, where it does not say one; and if it is used in another world
    than its `own`, drivers and starts that fit all of them. Settings in `said` stay, since somebody asked for them."""
    world = _world(table)
    fit = dict[str, Any](_ANY_WORLD if world != own else {})
    if fit and _get(table, "collect.policy") == "networks":
        del fit["collect.policy"]
    if world is not None and (world != own or _get(table, _REWARD_SCALE) is None):
        fit[_REWARD_SCALE] = reward_scale(world)
    for key in fit.keys() - said:
        *sections, last = key.split(".")
        part: Any = table
        for section in sections:
            part = part.setdefault(section, {}) if isinstance(part, dict) else None
        if isinstance(part, dict):  # else a value is in a section's place, which `_check` refuses
            part[last] = fit[key]


def _get(table: Any, key: str) -> Any:
    for part in key.split("."):
        table = table.get(part) if isinstance(table, Mapping) else None
    return table


def _parse(value: str) -> Any:
    """A TOML value; anything that is not one is a string, so that quotes may be left out."""
    try:
        return parse_toml(f"x = {value}")["x"]
    except (ValueError, KeyError):
        return value


def _build(table: dict[str, Any], where: str) -> RunConfig:
    config = _validated(RunConfig, table, where)
    test_seeds(config.evaluate.tracks, config.evaluate.first_seed)
    return replace(
        config,
        collect=replace(
            config.collect,
            agent=_in_full(config.collect.agent),
            from_npz=_in_full(config.collect.from_npz),
            scout=_in_full(scout) if (scout := config.collect.scout).endswith(".toml") else scout,
        ),
        controller=replace(config.controller, search=_with_start_in_full(config.controller.search)),
    )


def _validated(kind: type[_Config], table: dict[str, Any], where: str) -> _Config:
    """The config that a table is of, which `where` names. Raises UnfitSettings."""
    _check(table, kind, "", where)
    try:
        return form_of(kind).validate_python(table)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        given = f" (given: {_short(first['input'])})" if first["type"] != "missing" else ""
        reason = f"{where}: {key}: {first['msg'][0].lower()}{first['msg'][1:]}{given}"
        raise UnfitSettings(reason, usage=True) from error


def _in_full(path: str) -> str:
    """A path that a run finds again wherever it is continued from; the name of an agent that ships stays as it is."""
    return path if path in ("", *SHIPPED) else str(typed_path(path).resolve())


def _with_start_in_full(search: SearchConfig) -> SearchConfig:
    return replace(search, start=replace(search.start, init_from=_in_full(search.start.init_from)))


def _check(table: Mapping[str, Any], kind: type, prefix: str, where: str) -> None:
    """Raises UserError where a key is unknown, or where a number is none: pydantic would take "3" and true for one."""
    hints = _hints(kind)
    known = [field.name for field in fields(kind)]
    for key, value in table.items():
        if key not in known:
            place = f"section {prefix[:-1]}" if prefix else "a recipe" if kind is RunConfig else "it"
            unknown = f"unknown key {_cut(prefix + key)}{_suggest(key, known)}"
            raise UnfitSettings(f"{where}: {unknown}; {place} has {', '.join(known)}", usage=True)
        if is_dataclass(hints[key]) and isinstance(value, Mapping):
            _check(value, hints[key], f"{prefix}{key}.", where)
        kinds = get_args(hints[key]) or (hints[key],)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str | bool) and (int in kinds or float in kinds):
                wanted = "a valid integer" if int in kinds else "a valid number"
                reason = f"{where}: {prefix}{key}: input should be {wanted} (given: {_short(item)})"
                raise UnfitSettings(reason, usage=True)
            if isinstance(item, float) and not math.isfinite(item):
                raise UnfitSettings(f"{where}: {prefix}{key}: input should be a number, not {item}", usage=True)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _short(value: Any) -> str:
    """A value as it was given, or its beginning."""
    try:
        text = repr(value)
    except ValueError:  # a number of more digits than Python writes out
        return "a number of thousands of digits"
    return _cut(text)


def _cut(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


def _suggest(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
