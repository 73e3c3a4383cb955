"""No verb depends on MPLBACKEND, which a notebook of another environment hands down to all that it starts."""

import os
from pathlib import Path

import pytest

from tests.processes import python

NOWHERE = "module://a_package_of_another_environment.backend"

EVERYTHING = """
import importlib, os, pkgutil, sys, traceback
import reverie
for module in pkgutil.walk_packages(reverie.__path__, "reverie."):
    if not module.name.endswith("__main__") and module.name != "reverie.play.window":
        importlib.import_module(module.name)
assert "matplotlib" not in sys.modules, "somebody imports it without asking import_matplotlib"
backend, *uses = sys.argv[1:]
for use in uses:  # each in a copy of this process, where nobody has imported it yet
    if child := os.fork():
        assert os.waitpid(child, 0)[1] == 0, use
        continue
    try:
        exec(use, {})
        assert "matplotlib" in sys.modules
        assert os.environ["MPLBACKEND"] == backend
        import matplotlib
        print(matplotlib.rcParams["backend"], flush=True)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
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
    return python(*command, cwd=Path(__file__).parents[1], MPLBACKEND=backend)  # where `bench` is


def test_recipes_in_a_notebook_of_another_environment() -> None:
    assert "quick" in run(NOWHERE, "-m", "reverie", "recipes")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_who_imports_matplotlib_does_it_whatever_the_backend() -> None:
    said = run(NOWHERE, "-c", EVERYTHING, NOWHERE, *USES.values())
    assert len(said.split()) == len(USES)


def test_a_backend_that_there_is_stays_the_user_s() -> None:
    shown = "import matplotlib, os\nprint(matplotlib.rcParams['backend'], os.environ['MPLBACKEND'])"
    assert run("svg", "-c", USES["cma"] + shown) == "svg svg\n"
