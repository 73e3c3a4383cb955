"""A save that is killed, or refused by a full or a read-only disk, at any of its file operations: the last good state
loads, and doing it again gives what doing it once would have given. All operations are in `make soak`; here, two of
each kind of save."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reverie.run.folder import RunFolder
from tests.reliability.faults import HOW
from tests.reliability.saves import CASES

ALL = bool(os.environ.get("REVERIE_SOAK"))


@pytest.mark.parametrize("names", [[name] for name in CASES] if ALL else [[name for name in CASES if name != "memory"]])
def test_a_save_loses_nothing(names: list[str], tiny_run: RunFolder, tmp_path: Path) -> None:
    some = "10000" if ALL else "2"
    words = (str(tiny_run.path), str(tmp_path), some, *names)  # a process that forks, which this may not
    command = [sys.executable, "-m", "tests.reliability.saves", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    tried = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each for each in tried if each["what"] or each["ended"] == "broken"] == []
    met = {(each["case"], each["how"]) for each in tried if each["ended"] != "done"}
    assert met == {(name, how) for name in names for how in HOW}, "each met a fault"
