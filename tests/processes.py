"""Python in a process of its own, where it matters that it is another."""

import os
import subprocess
import sys
from pathlib import Path


def python(*words: str | Path, cwd: Path | None = None, **environment: str) -> str:
    """What it says on standard output; it must end well."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
