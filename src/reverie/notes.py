"""What a command shows: its result on stdout, which another program may read, and beside it lines on stderr, each at
most once a command. No file makes either of them do anything but show letters.
"""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console  # noqa: TID251 (the one place)

_said: set[str] = set()


def say(text: str, *, end: str = "\n", flush: bool = False) -> None:
    """A result, or a part of it."""
    print(printable(text), end=end, flush=flush)  # noqa: T201 (the one place)


def console(**how: Any) -> "Console":
    """Where rich shows a result that is more than lines; `how` as its own `Console` takes it."""
    from rich.console import Console  # noqa: TID251 (the one place)

    class Harmless(Console):
        def render(self, *args: Any, **kwargs: Any) -> Any:
            """rich's own segments, of which those that move the cursor are no text."""
            for segment in super().render(*args, **kwargs):
                yield segment if segment.control else segment._replace(text=printable(segment.text))

    return Harmless(highlight=False, **how)


def note(text: str, *, about: str = "") -> None:
    """Says `text`, unless this command has said it, or something else `about` the same, before."""
    if (about or text) not in _said:
        _said.add(about or text)
        warn(f"reverie: {text}")


def warn(text: str) -> None:
    """A line on stderr, however often it was said."""
    print(printable(text), file=sys.stderr, flush=True)  # noqa: T201 (the one place)


def printable(text: str) -> str:
    """The text with a `?` for each control character but the ends of lines: files, and their names, may have some,
    and a terminal would do as they say."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


def forget_notes() -> None:
    """A new command begins, which has said nothing yet."""
    _said.clear()
