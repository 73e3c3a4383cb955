"""The commands of docs/share.md about episodes run as they are written, in order and in one place."""

import re
import shlex
from pathlib import Path

import pytest

from reverie.data.store import EpisodeStore
from tests.cli.conftest import reverie

PAGE = (Path(__file__).parents[2] / "docs/share.md").read_text()


def test_its_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    minari = pytest.importorskip("minari", reason="needs `pip install 'minari[hdf5]'`")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    block = re.findall(r"^```\n(.*?)^```", PAGE.split("## Episodes")[1], re.MULTILINE | re.DOTALL)[0]
    install, *commands = (shlex.split(line) for line in block.splitlines())
    assert install == ["pip", "install", "reverie[minari]"]
    assert len(commands) == 5
    for command in commands:
        assert command[0] == "reverie"
        done = reverie(*command[1:], cwd=tmp_path)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    mine, theirs, old = (EpisodeStore(tmp_path / "runs" / name / "rollouts") for name in ("mine", "theirs", "old"))
    assert mine.digest() == theirs.digest() == old.digest()
    assert minari.load_dataset("car/mine-v0").total_episodes == len(mine) == 10
