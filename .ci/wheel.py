"""Whether a wheel is enough: `python .ci/wheel.py WHEEL` installs it without anything else beside it into a folder of
its own, and runs from another one what needs the files that come with the package."""

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROAD = ROOT / "src/reverie/web/native/build/road.wasm"
BESIDE = {"reverie/bench/peers.py"}
"""What is in the package, and lies elsewhere in the checkout."""
MADE = ("__pycache__", ROAD.parent.name)
"""Folders of what was made, of which the package has the road alone."""


def check(wheel: Path) -> None:
    """Raises where a file is missing or too many, or a command fails."""
    paths = (path for path in (ROOT / "src/reverie").rglob("*") if path.is_file() and path.parent.name not in MADE)
    ours = {path.relative_to(ROOT / "src").as_posix() for path in (*paths, *filter(Path.exists, [ROAD]))} | BESIDE
    theirs = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    if ours != theirs:
        sys.exit(f"{wheel.name} lacks {sorted(ours - theirs)} and has {sorted(theirs - ours)} beyond the checkout")
    with tempfile.TemporaryDirectory() as name:
        site, work = Path(name, "site"), Path(name, "work")
        work.mkdir()
        install = ("install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--target")
        subprocess.run([sys.executable, "-m", "pip", *install, site, wheel], check=True)
        environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}

        def said(*words: str | Path) -> str:
            run = subprocess.run(words, cwd=work, env=environment, stdout=subprocess.PIPE, text=True, check=True)
            return run.stdout

        found = said(sys.executable, "-P", "-c", "import reverie; print(reverie.__file__)").strip()
        if not Path(found).is_relative_to(site):
            sys.exit(f"what was run is {found}, not what was installed")
        command = site / "bin" / "reverie"
        for words in (("recipes",), ("info", "pretrained"), ("info", "dreamt"), ("export", "web", "pretrained")):
            said(command, *words)
            print(f"reverie {' '.join(words)}: works from the wheel alone")
        if ROAD.exists() and 'id="road-wasm"' not in (work / "dream.html").read_text():
            sys.exit("the page that was exported lacks the road")


if __name__ == "__main__":
    check(Path(sys.argv[1]))
