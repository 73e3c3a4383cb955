"""docs/architecture.md shows the house as it is: every module in its room, and who may import whom."""

import re
import tomllib
from pathlib import Path

import pytest

from reverie.cli.main import VERBS
from reverie.run.stages import STAGES

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMES_END = 25
"""The column at which descriptions begin: what stands before it is a name of a room or file."""
FILE = re.compile(r"(?<![\w./])[\w.]+\.(?:py|js)\b")
"""With a path before it, it is one of another room that is only spoken of."""
NOT_NAMED = {
    "src/reverie/cli": {f"{verb}.py" for verb in VERBS},
    "src/reverie/training": {f"{stage}.py" for stage in STAGES},
}
"""What the tree says in a word: a file per verb, a file per stage."""


ONE_PLACE = {
    r"\bscipy\.(stats|special)\b|ddof=1\) / ": {"measure/statistics.py"},
    r"\.backward\(": {"training/loop.py", "benchmarks/contestants.py"},  # peers have no loop of ours
    r"\bvision\.encode\(": {"models/coding.py", "agent.py", "measure/health.py", "web/onnx.py"},
}
"""What has a place of its own, by how it would be done elsewhere: statistics; fits; V, over many frames (`coding.py`),
those of a decision, where its posterior is what counts, and as a graph."""


def named() -> dict[str, set[str]]:
    """The files that the tree names, by room."""
    tree = PAGE.split("## Rooms\n\n```\n")[1].split("```")[0]
    found, rooms = dict[str, set[str]](), list[tuple[int, str]]()
    for line in tree.splitlines():
        text = line.lstrip()
        indent = len(line) - len(text)
        name = text.split(maxsplit=1)[0]
        if indent < NAMES_END:
            rooms = [room for room in rooms if room[0] < indent]
            if name.endswith("/"):
                rooms.append((indent, name.rstrip("/")))
        room = "/".join(name for _, name in rooms)
        found.setdefault(room, set()).update(FILE.findall(text))
    return found


def there() -> dict[str, set[str]]:
    """The files that there are, by room."""
    found = dict[str, set[str]]()
    for top in ("src/reverie", "bench", "container", "site_build"):
        for path in (ROOT / top).rglob("*"):
            if path.suffix in (".py", ".js") and not path.name.startswith("__") and "build" not in path.parts:
                found.setdefault(path.parent.relative_to(ROOT).as_posix(), set()).add(path.name)
    return found


def test_every_module_stands_in_its_room_in_the_tree() -> None:
    said, real = (
        {room: files - NOT_NAMED.get(room, set()) for room, files in rooms.items() if files}
        for rooms in (named(), there())
    )
    assert said == real


def test_who_may_import_whom_is_what_the_contract_says() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = [set(layer.split(" | ")) for layer in contract["contracts"][0]["layers"]]
    said = PAGE.split("## Who may import whom")[1].split("```")[1]
    assert [set(re.split(r",\s*", layer.strip())) for layer in said.split(">")] == layers[1:]  # all but `__main__`


@pytest.mark.parametrize("pattern", ONE_PLACE)
def test_what_has_a_place_of_its_own_is_done_there_alone(pattern: str) -> None:
    package = ROOT / "src" / "reverie"
    paths = [path for path in package.rglob("*.py") if re.search(pattern, path.read_text(encoding="utf-8"))]
    assert {path.relative_to(package).as_posix() for path in paths} == ONE_PLACE[pattern]
