"""Every command of the README runs as it is written."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from reverie.models.files import SHIPPED
from tests.cli.conftest import reverie, reverie_in_a_process
from tests.processes import python

ROOT = Path(__file__).parents[1]
ELSEWHERE = {"make run", "make test"}
"""Too long, or these very tests."""


def commands() -> list[str]:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    lines = [line.split("#")[0].strip() for kind, block in blocks if not kind for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("runs/")]


def test_the_readme_begins_with_the_two_commands() -> None:
    assert commands()[:2] == ["make run", "make test"]
    assert len(commands()) >= 8


@pytest.fixture(autouse=True)
def _less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Studies drive 1,000 tracks and dream for seconds, whatever they are asked; less changes the numbers alone."""
    for study in ("compare", "inspect"):
        monkeypatch.setattr(f"reverie.studies.{study}.TRAINING_TRACKS_USED", 100)
    monkeypatch.setattr("reverie.studies.compare.TUNING_TRACKS", 20)
    for name, shorter in (("BEGINS", range(16, 27, 5)), ("HORIZON", 10), ("FILMED", 10)):
        monkeypatch.setattr(f"reverie.studies.report.{name}", shorter)


def run_all(of: list[str], folder: Path) -> None:
    for command in of:
        name, verb, *arguments = shlex.split(command)
        assert name == "reverie", command
        run = reverie_in_a_process if verb == "bench" else reverie  # that chooses the cores of its process
        done = run(verb, *arguments, cwd=folder)
        assert done.returncode == 0, f"{command}\n{done.stderr}"


def test_every_command_about_a_run_works(tmp_path: Path) -> None:
    """In order and in one place: some continue what others began."""
    run_all([command for command in commands() if "runs/" in command], tmp_path)
    assert (tmp_path / "runs/try/evaluation.json").exists()
    assert (tmp_path / "runs/other/controller.safetensors").exists()


def test_every_other_command_works(tmp_path: Path) -> None:
    run_all([command for command in commands() if "runs/" not in command and command not in ELSEWHERE], tmp_path)
    for name in SHIPPED:
        assert (tmp_path / f"{name}_track_0.mp4").stat().st_size > 100_000


def test_the_makefile_has_the_targets_that_must_work() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in ("run", "test", "lint", "bench"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert "make test" in (ROOT / ".ci/run").read_text()


def test_its_python_runs() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        python("-c", block)


def test_the_oldest_versions_that_are_tested_are_those_that_are_allowed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    allowed = {*project["dependencies"], *project["optional-dependencies"]["cluster"]}
    bounds = sorted(re.sub(r"\[\w+\]|(\.0)+$", "", line) for line in allowed)
    tested = [line for line in (ROOT / "constraints-min.txt").read_text().splitlines() if not line.startswith("#")]
    assert sorted(re.sub(r"(\.0)+$", "", line.replace("==", ">=")) for line in tested) == bounds
