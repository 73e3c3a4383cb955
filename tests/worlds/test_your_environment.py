"""Every command of docs/your_environment.md runs as it is written, in order and in one place."""

import os
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from reverie.envs.trusted import VARIABLE
from reverie.run import settings
from tests.cli.conftest import reverie

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/your_environment.md").read_text()
FILE = re.compile(r"`(\w+\.(?:py|toml))`[^`]*?```(?:python|toml)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return [shlex.split(line) for language, block in blocks if not language for line in block.splitlines()]


def test_what_it_installs_is_what_the_tests_are_run_with() -> None:
    """`make test` runs that command's packages."""
    installs = [command for command in commands() if command[0] == "pip"]
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["dev"]
    assert [command[:3] for command in installs] == [["pip", "install", "."]]
    assert set(installs[0][3:]) <= {re.split(r"[><=]", line)[0] for line in extra}


def test_every_command_runs_and_ends_in_a_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("minigrid", "ale_py"):
        pytest.importorskip(package, reason=f"needs `pip install {package.replace('_', '-')}`")
    files = dict(FILE.findall(PAGE))
    assert set(files) == {"mygrid.py", "grid.toml"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    ran = 0
    monkeypatch.setenv(VARIABLE, "")
    for command in commands():
        if command[0] == "pip":
            continue
        if command[0] == "export":
            monkeypatch.setenv(*command[1].split("="))
            continue
        with monkeypatch.context() as patch:
            patch.setenv(VARIABLE, os.environ[VARIABLE])  # what a command trusts is of that command alone
            if command[0] == "PYTHONPATH=.":
                patch.syspath_prepend(str(tmp_path))
                patch.setenv("PYTHONPATH", str(tmp_path))  # for worker processes
                command = command[1:]
            assert command[0] == "reverie", command
            done = reverie(*command[1:], cwd=tmp_path)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        ran += 1
    assert ran >= 8
    assert (tmp_path / "grid.mp4").stat().st_size > 5000
    assert settings.load(str(tmp_path / "grid.toml")).env.id == "mygrid:MyGrid-v0"


def test_a_code_that_looks_like_a_picture_is_pointed_out(tmp_path: Path) -> None:
    pytest.importorskip("minigrid", reason="needs `pip install minigrid`")
    world = "env.id=minigrid:MiniGrid-Empty-5x5-v0"
    done = reverie("collect", "debug", "--run", tmp_path / "x", "--quiet", "--set", world)
    assert done.returncode == 0
    assert "the picture of minigrid:MiniGrid-Empty-5x5-v0 is 7 x 7 pixels: where that is a code" in done.stderr
    assert done.stderr.count("\n") == 1
