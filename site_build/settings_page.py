"""docs/settings.md when the site is built: every setting, read off the dataclasses. A hook of mkdocs (mkdocs.yml)."""

from typing import Any

from reverie.run.reference import Setting, all_settings

MARK = "<!-- settings: filled in by the build -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page's text, with all settings where it has the mark."""
    return markdown.replace(MARK, reference()) if MARK in markdown else markdown


def reference() -> str:
    """Markdown: a heading for each section of a recipe, and a paragraph for each of its settings."""
    sections = dict[str, list[str]]()
    for setting in all_settings():
        sections.setdefault(setting.key.rpartition(".")[0] or "The recipe itself", []).append(_paragraph(setting))
    return "\n\n".join("\n\n".join([f"## {name}", *paragraphs]) for name, paragraphs in sections.items())


def _paragraph(setting: Setting) -> str:
    default = "-" if setting.default is None else f"`{_text(setting.default)}`"
    return f"**`{setting.key}`** = {default}, *{setting.kind}*<br>\n{setting.meaning}"


def _text(value: object) -> str:
    """A value as TOML has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return repr(list(value))
    return f'"{value}"' if isinstance(value, str) else repr(value)
