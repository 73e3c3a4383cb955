"""Every setting of a recipe: its name, what it may be, what it is where nobody says, and what it means, read off the
configs themselves."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt

from reverie.run.recipe import RunConfig

_ANY = 10**9
"""A bound from which on it stands for none."""
_OPEN = {Gt: "more than", Ge: "at least", Lt: "less than", Le: "at most"}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting, as `--set` knows it."""

    key: str
    kind: str
    """What it may be, in words: `integer, 2 to 1000`, `walk | menu`."""
    default: Any
    """Where no recipe says otherwise; None where every recipe must."""
    meaning: str

    @property
    def line(self) -> str:
        """The first sentence of what it means."""
        sentence, dot, _ = self.meaning.replace("\n", " ").partition(". ")
        return sentence + "." if dot else sentence


def all_settings() -> list[Setting]:
    """All that a recipe may say, in its order."""
    return list(_of(RunConfig, "", None))


def matching(word: str) -> list[Setting]:
    """Settings with `word` in their name or meaning, whatever its case; those that are named so first."""
    word, found = word.lower(), all_settings()
    named = [setting for setting in found if word in setting.key.lower()]
    meant = [setting for setting in found if word in setting.meaning.lower() and setting not in named]
    return named + meant


def _of(kind: type, prefix: str, default: Any) -> Iterator[Setting]:
    """Settings of a config, by its defaults or those of an instance."""
    hints, meanings = get_type_hints(kind, include_extras=True), _meanings(kind)
    for field in fields(kind):
        value = _default(field) if default is None else getattr(default, field.name)
        hint, key = hints[field.name], prefix + field.name
        if is_dataclass(hint) and isinstance(hint, type):
            yield from _of(hint, f"{key}.", value)
        else:
            yield Setting(key=key, kind=_words(hint), default=value, meaning=meanings.get(field.name, ""))


def _default(field: Field[Any]) -> Any:
    if field.default is not MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not MISSING else None


def _words(hint: Any) -> str:
    """What a type and its bounds allow."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        bounds = {type(bound): getattr(bound, type(bound).__name__.lower()) for bound in arguments[1:]}
        if arguments[0] is int and Gt in bounds:
            bounds[Ge] = bounds.pop(Gt) + 1
        if bounds.get(Le, 0) >= _ANY:
            del bounds[Le]
        if Ge in bounds and Le in bounds:
            return f"{_words(arguments[0])}, {_number(bounds[Ge])} to {_number(bounds[Le])}"
        limits = [f"{words} {_number(bounds[kind])}" for kind, words in _OPEN.items() if kind in bounds]
        return ", ".join([_words(arguments[0]), *limits])
    if origin is Literal:
        return " | ".join(map(str, arguments))
    if origin is tuple:
        return f"list of {_words(arguments[0])}"
    if hint is dict or origin is dict:
        return "table"
    plain = {int: "integer", float: "number", bool: "true | false", str: "text"}
    return plain.get(hint) or " | ".join(_words(argument) for argument in arguments) or str(hint)


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def _meanings(kind: type) -> dict[str, str]:
    """The text under each field of a class and of those that it extends."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__[:-1]):
        tree = ast.parse(textwrap.dedent(inspect.getsource(one))).body[0]
        assert isinstance(tree, ast.ClassDef)
        for field, text in zip(tree.body, tree.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
                found[field.target.id] = inspect.cleandoc(str(ast.literal_eval(text.value)))
    return found
