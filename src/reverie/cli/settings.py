"""`reverie settings`: what can be set, and what it means."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from typing import Annotated

import tyro

from reverie.cli.arguments import parse, print_json
from reverie.errors import UserError
from reverie.notes import say


@dataclass(frozen=True, kw_only=True)
class SettingsArguments:
    """Which settings, and of which recipe."""

    word: Annotated[str | None, tyro.conf.Positional] = None
    """Only settings with this word in their name or meaning. Default: all."""
    recipe: str | None = None
    """Say what each is in this recipe (a name, or a TOML file, as runs/NAME/recipe.toml) instead of the default."""
    json: bool = False
    """Print the result as one JSON object."""


def main(verb: str, arguments: Sequence[str]) -> None:
    """Prints the settings, a paragraph each."""
    description = "List what can be set in a recipe, or by --set section.key=value: what it may be, and what it means."
    args = parse(SettingsArguments, arguments, verb, description)
    from reverie.run import settings
    from reverie.run.reference import all_settings, matching

    found = matching(args.word) if args.word else all_settings()
    if not found:
        raise UserError(f"no setting has {args.word!r} in its name or meaning: try another word, or none", usage=True)
    recipe = settings.load(args.recipe) if args.recipe else None
    values = [reduce(getattr, setting.key.split("."), recipe) if recipe else setting.default for setting in found]
    if args.json:
        print_json({setting.key: asdict(setting) | {"value": v} for setting, v in zip(found, values, strict=True)})
        return
    for setting, value in zip(found, values, strict=True):
        say(f"{setting.key} = {_text(value)}  ({setting.kind})\n    {setting.line}")


def _text(value: object) -> str:
    """A value as TOML has it."""
    if value is None:
        return "?"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(list(value)) if isinstance(value, tuple) else f'"{value}"' if isinstance(value, str) else repr(value)
