"""The two Dockerfiles take the same steps, need nothing that is not there, and end as a user who is not root."""

import re
import shlex
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from tests.scripts import script

ROOT = Path(__file__).parents[1]
FILES = ("Dockerfile", "Dockerfile.gpu")


@pytest.fixture(scope="module")
def rehearse() -> ModuleType:
    """container/rehearse.py, which carries Dockerfiles out."""
    return script("container/rehearse.py")


def copied(steps: list[tuple[str, str]]) -> set[str]:
    """What is copied from the repository."""
    lines = [shlex.split(rest)[:-1] for word, rest in steps if word == "COPY"]
    return {name for line in lines if not line[0].startswith("--from") for name in line}


@pytest.mark.parametrize("name", FILES)
def test_it_copies_what_is_there_and_what_the_build_takes(name: str, rehearse: ModuleType) -> None:
    steps = rehearse.instructions((ROOT / name).read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"src", "constraints.txt", "pyproject.toml", project["project"]["readme"], *wheel["force-include"]}
    assert needed <= copied(steps)
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for path in copied(steps):
        assert (ROOT / path).exists(), path
        assert f"!{path}" in ignored, path


@pytest.mark.parametrize("name", FILES)
def test_nothing_runs_as_root(name: str, rehearse: ModuleType) -> None:
    steps = rehearse.instructions((ROOT / name).read_text(encoding="utf-8"))
    last = max(i for i, (word, _) in enumerate(steps) if word == "FROM")
    users = [rest for word, rest in steps[last:] if word == "USER"]
    assert users == ["driver"]
    assert ("ENTRYPOINT", '["reverie"]') in steps[last:]


def test_both_take_the_same_steps_but_for_the_torch(rehearse: ModuleType) -> None:
    one, other = (rehearse.instructions((ROOT / name).read_text(encoding="utf-8")) for name in FILES)
    assert [step for step in one if step[0] != "ARG"] == other
    assert [re.sub("=.*", "", rest) for word, rest in one if word == "ARG"] == ["PIP_EXTRA_INDEX_URL"]


def test_what_the_rehearsal_does_not_know_is_refused(rehearse: ModuleType) -> None:
    assert rehearse.instructions("FROM a AS b\n# no\nRUN x && \\\ny\n") == [("FROM", "a AS b"), ("RUN", "x &&  y")]
    with pytest.raises(ValueError, match="HEALTHCHECK: not an instruction"):
        rehearse.instructions("FROM a\nHEALTHCHECK NONE\n")
    with pytest.raises(ValueError, match="begins with FROM"):
        rehearse.instructions("RUN x\n")


def test_a_command_runs_in_its_root_as_its_user(
    tmp_path: Path, rehearse: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(rehearse.subprocess, "run", lambda command, **_: ran.append([str(word) for word in command]))
    stage = rehearse.Stage(root=tmp_path, user="driver", folder="/data")
    stage.env["PATH"] = "/opt/x:/bin"
    stage.run(["reverie", "watch", "a b"], {"PIP": "1"})
    (command,) = ran
    assert command[:3] == ["chroot", "--userspec=driver:driver", str(tmp_path)]
    assert {"PIP=1", "HOME=/home/driver", "PATH=/opt/x:/bin"} <= set(command)
    assert command[-1] == "cd /data && exec reverie watch 'a b'"
    assert stage.inside("runs") == tmp_path / "data/runs"
    assert stage.inside("/opt") == tmp_path / "opt"
