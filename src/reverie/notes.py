"""What a command has to say beside its result: a line on stderr, each at most once a command.

stdout carries the result alone, which another program may read.
"""

import sys

_said: set[str] = set()


def note(text: str, *, about: str = "") -> None:
    """Says `text`, unless this command has said it, or something else `about` the same, before."""
    if (about or text) not in _said:
        _said.add(about or text)
        print(f"reverie: {text}", file=sys.stderr, flush=True)


def forget_notes() -> None:
    """A new command begins, which has said nothing yet."""
    _said.clear()
