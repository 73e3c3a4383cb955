"""Pages can be read and compared line by line: prose is wrapped at 100 columns."""

from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
WIDTH = 100


def too_long(text: str) -> Iterator[str]:
    """Lines of prose beyond WIDTH, each with its number. Code, tables and pictures cannot be wrapped."""
    code = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            code = not code
        elif len(line) > WIDTH and not code and not line.lstrip().startswith(("|", "![")):
            yield f"{number}: {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_prose_is_wrapped(page: Path) -> None:
    assert not list(too_long(page.read_text(encoding="utf-8")))


def test_what_is_too_long_is_found() -> None:
    long = "word " * 20 + "word"
    assert list(too_long(f"{long[:WIDTH]}\n{long}\n```\n{long}\n```\n| {long} |\n![{long}](x.png)\n- {long}")) == [
        f"2: {long}",
        f"8: - {long}",
    ]


def test_the_pages_are_found() -> None:
    assert {"README.md", "CHANGELOG.md", "architecture.md", "results.md"} <= {page.name for page in PAGES}
