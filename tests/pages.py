"""What stands in code blocks of the pages."""

import re
import shlex

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str = "") -> list[str]:
    """The blocks of a page in this language; commands that are meant to be run have none."""
    return [text for found, text in BLOCK.findall(page) if found == language]


def commands(page: str, language: str = "") -> list[list[str]]:
    """Their lines, as words."""
    return [shlex.split(line) for block in blocks(page, language) for line in block.splitlines()]
