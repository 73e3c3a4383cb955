"""Settings under the names that earlier versions had for them, in recipes and in `--set`: they are still read."""

from typing import Any

from reverie.errors import UserError
from reverie.notes import note

_SEARCH = "controller.search"
MOVED = {
    "collect.patience": "collect.stall_decisions",
    "memory.patience": "memory.patience_evals",
    "memory.starts": "memory.dream_starts",
    "controller.generations": f"{_SEARCH}.generations",
    "controller.minutes": f"{_SEARCH}.minutes",
    "controller.fitness": f"{_SEARCH}.fitness",
    "controller.race": f"{_SEARCH}.race",
    "controller.patience": f"{_SEARCH}.stall_decisions",
    "controller.cap_length": f"{_SEARCH}.cap_length",
    "controller.tracks": f"{_SEARCH}.tracks.num",
    "controller.double_tracks_every": f"{_SEARCH}.tracks.double_every",
    "controller.max_tracks": f"{_SEARCH}.tracks.max",
    "controller.signal_to_noise": f"{_SEARCH}.tracks.signal_to_noise",
    "controller.common_tracks": f"{_SEARCH}.tracks.common",
    "controller.eval_every": f"{_SEARCH}.finals.eval_every",
    "controller.eval_tracks": f"{_SEARCH}.finals.eval_tracks",
    "controller.retrain": f"{_SEARCH}.finals.retrain",
    "controller.finalists": f"{_SEARCH}.finals.finalists",
    "controller.average": f"{_SEARCH}.finals.average",
    "controller.final_tracks": f"{_SEARCH}.finals.tracks",
    "controller.init_from": f"{_SEARCH}.start.init_from",
    "controller.imitate": f"{_SEARCH}.start.imitate",
    "controller.directions": f"{_SEARCH}.start.directions",
    "controller.strategy": f"{_SEARCH}.strategy.name",
    "controller.cma": f"{_SEARCH}.strategy.cma",
    "controller.pepg": f"{_SEARCH}.strategy.pepg",
    "controller.openes": f"{_SEARCH}.strategy.openes",
    "controller.ga": f"{_SEARCH}.strategy.ga",
}
"""Old key -> new key, of a setting or of a whole section."""
CHANGED = {("controller.average", 0): 2}
"""(Old key, old value) -> new value, where the old one has no meaning any more: two are the fewest that have a mean."""


def migrate(table: dict[str, Any], where: str) -> None:
    """Gives every setting of a recipe's table its name of today, and says so if any had another.

    `where` says whose table it is. Raises UserError where a setting is there under both names.
    """
    changes = []
    for old in MOVED:
        section, name = old.split(".")
        if isinstance(table.get(section), dict) and name in table[section]:
            changes.append(_changed(old, value := table[section].pop(name)))
            _put(table, *modern(old, value), f"{where}: {old}")
    _say(where, changes)


def migrate_override(key: str, value: Any) -> tuple[str, Any]:
    """The key and the value of a `--set` under its name of today; says so if it had another."""
    place, then = modern(key, value)
    if place != key:
        _say("--set", [_changed(key, value)])
    return place, then


def modern(key: str, value: Any) -> tuple[str, Any]:
    """A setting's name of today, and its value."""
    old = ".".join(key.split(".")[:2])
    if old not in MOVED:
        return key, value
    return MOVED[old] + key.removeprefix(old), CHANGED.get((key, value), value) if type(value) is int else value


def _put(table: dict[str, Any], key: str, value: Any, where: str) -> None:
    *sections, last = key.split(".")
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise UserError(f"{where}: {section} of {key}, its new name, is a value, not a section", usage=True)
    there = table.get(last)
    if isinstance(there, dict) and isinstance(value, dict) and not there.keys() & value.keys():
        there.update(value)
    elif last in table:
        raise UserError(f"{where} is there as {key}, its new name, too: leave one out", usage=True)
    else:
        table[last] = value


def _changed(key: str, value: Any) -> str:
    place, then = modern(key, value)
    return f"{key} is now {place}" if then == value else f"{key} = {value} is now {place} = {then}"


def _say(where: str, changes: list[str]) -> None:
    """One line a command, however many settings and files it is about; values that changed come first."""
    if changes:
        first, *more = sorted(changes, key=lambda change: " = " not in change)
        rest = f", and {len(more)} more have new names" if more else ""
        note(f"{where} has names of an earlier version: {first}{rest}", about="MOVED")
