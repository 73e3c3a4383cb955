"""No verb depends on MPLBACKEND, which a notebook of another environment hands down to all that it starts."""

import os
import subprocess
import sys
from pathlib import Path

NOWHERE = "module://a_package_of_another_environment.backend"

EVERYTHING = """
import os, pkgutil, importlib, sys
import reverie
for module in pkgutil.walk_packages(reverie.__path__, "reverie."):
    if not module.name.endswith("__main__") and module.name != "reverie.play.window":
        importlib.import_module(module.name)
assert "matplotlib" not in sys.modules, "somebody imports it without asking import_matplotlib"
USE
assert "matplotlib" in sys.modules
assert os.environ["MPLBACKEND"] == BACKEND
import matplotlib
print(matplotlib.rcParams["backend"])
"""
USES = {
    "cma": """
import numpy as np
from reverie.evolution.strategies import StrategyConfig, make_strategy
make_strategy(StrategyConfig(), 5, np.random.default_rng(0)).ask()
""",
    "torchmetrics": """
import numpy as np
from reverie.measure.vision.paired import psnr
psnr(np.zeros((1, 64, 64, 3), np.uint8), np.ones((1, 64, 64, 3), np.uint8))
""",
    "charts": """
import tempfile, pathlib
from reverie.show.charts import evaluation_histogram
with tempfile.TemporaryDirectory() as folder:
    evaluation_histogram(pathlib.Path(folder, "a.png"), [1.0, 2.0, 3.0], ci95=None, title="title", with_paper=True)
""",
    "the table of results": """
import tempfile, pathlib
from bench.results import draw
with tempfile.TemporaryDirectory() as folder:
    draw(pathlib.Path(folder, "a.png"), [])
""",
}


def run(backend: str, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=Path(__file__).parents[1],  # where `bench` is
        env=os.environ | {"MPLBACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_recipes_in_a_notebook_of_another_environment() -> None:
    assert "quick" in run(NOWHERE, "-m", "reverie", "recipes")


def test_who_imports_matplotlib_does_it_whatever_the_backend() -> None:
    for use in USES.values():
        run(NOWHERE, "-c", EVERYTHING.replace("USE", use).replace("BACKEND\n", f"{NOWHERE!r}\n"))


def test_a_backend_that_there_is_stays_the_user_s() -> None:
    said = run("svg", "-c", EVERYTHING.replace("USE", USES["cma"]).replace("BACKEND\n", "'svg'\n"))
    assert said.strip() == "svg"
