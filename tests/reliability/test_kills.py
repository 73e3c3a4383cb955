"""Runs that are killed at random moments, and go on, come to the same: a few kills here, 200 in `make soak`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(bool(os.environ.get("REVERIE_SOAK")), reason="`make soak` has its own, of all kinds")
def test_a_run_that_is_killed_comes_to_the_same(tmp_path: Path) -> None:
    """One whose C learns in dreams."""
    words = [sys.executable, "-m", "tests.reliability.kills", str(tmp_path), "3", "inf", "imagine"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    figures = json.loads(done.stdout.splitlines()[-1])["killed at random moments"]
    assert figures["kills"] >= 3
    assert (figures["lost"], figures["outlived their parent"]) == (0, 0), done.stderr
