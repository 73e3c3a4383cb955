"""What a command has to say beside its result: a line on stderr, each at most once a command.

stdout carries the result alone, which another program may read.
"""

import sys

_said: set[str] = set()


def note(text: str, *, about: str = "") -> None:
    """Says `text`, unless this command has said it, or something else `about` the same, before."""
    if (about or text) not in _said:
        _said.add(about or text)
        print(printable(f"reverie: {text}"), file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """The text with a `?` for each control character but the ends of lines: names of files may have some, and a
    terminal would do as they say."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


def forget_notes() -> None:
    """A new command begins, which has said nothing yet."""
    _said.clear()
