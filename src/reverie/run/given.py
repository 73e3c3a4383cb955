"""The settings that a run was given, which its manifest keeps beside recipe.toml: a recipe that was edited, or damaged,
is told from one that `--set` changed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reverie.errors import UserError
from reverie.reading import parse_toml, read_text
from reverie.run import settings
from reverie.run.manifest import RECIPE
from reverie.run.recipe import RunConfig


def as_given(config: RunConfig) -> dict[str, Any]:
    """What a recipe says that `settings.save` writes, as the manifest keeps it."""
    return parse_toml(settings.as_toml(config).decode())


def given(path: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What the recipe of the run in `path` says. Raises UserError where that is not what the run was given, by its
    manifest; those of earlier versions do not say."""
    found = parse_toml(read_text(path / RECIPE))
    here, known = (
        settings.flat_table(found),
        [settings.flat_table(table) for table in manifest.get("settings", [found])],
    )
    if here in known:
        return found
    there = known[-1]
    differing = [key for key in here | there if here.get(key, ...) != there.get(key, ...)]  # None may be a value
    key, more = differing[0], f", and {len(differing) - 1} more differ" if len(differing) > 1 else ""
    raise UserError(
        f"{path / RECIPE} says {key} = {here.get(key)!r}, and manifest.json that the run was given "
        f"{there.get(key)!r}{more}: put it back, or restore both from a copy; other settings are given by --set "
        f"{key}=... to the same run, or to another that has its data by `reverie fork {path} ...`"
    )
