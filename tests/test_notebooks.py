"""The notebooks run from above to below, cell by cell, and are kept without what they show."""

import json
import re
from pathlib import Path

import pytest

from tests.processes import python

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
BOOKS = sorted(FOLDER.glob("*.ipynb"))
RUN = """
import json, pathlib, sys
book = json.loads(pathlib.Path(sys.argv.pop()).read_text(encoding="utf-8"))
names = {"__name__": "notebook"}
for number, cell in enumerate(book["cells"]):
    if cell["cell_type"] == "code":
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
"""
"""Not `__main__`: what a cell says must not lean on it."""


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_it_runs(book: Path, tmp_path: Path) -> None:
    said = python("-W", "ignore:FigureCanvasAgg", "-c", RUN, book, cwd=tmp_path, MPLBACKEND="agg")
    assert "pictures done" in said  # it has trained to the end
    assert any((tmp_path / "runs").glob("*/controller.safetensors"))


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_it_shows_nothing_yet_and_its_links_lead_somewhere(book: Path) -> None:
    cells = json.loads(book.read_text(encoding="utf-8"))["cells"]
    assert not [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]
    for cell in cells:
        for link in re.findall(r"\]\(([^)#]+)", "".join(cell["source"]) if cell["cell_type"] == "markdown" else ""):
            assert (FOLDER / link).exists(), link


def test_both_are_there() -> None:
    assert [book.stem for book in BOOKS] == ["course", "your_environment"]
