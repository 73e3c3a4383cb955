"""A finished run of two rounds that keeps its laps, made once and put back in order by whoever damages it."""

from pathlib import Path

import pytest

from reverie.run.folder import RunFolder
from reverie.training.pipeline import run_stages
from tests.training.small_rounds import of_rounds

SMALL = (
    "rounds.num=2",
    "controller.search.finals.world=road",
    "controller.search.finals.record=true",
    "controller.search.finals.tracks=1",
    "controller.search.finals.eval_tracks=1",
    "controller.search.start.imitate=false",
    "controller.search.start.directions=0",
    "evaluate.tracks=1",
    "rounds.failures=0",
    "rounds.beside=0",
)


def finished(path: Path) -> Path:
    run_stages(of_rounds(path, *SMALL), quiet=True)
    return path


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = finished(tmp_path_factory.mktemp("whole") / "run")
    assert RunFolder.open(path).is_done("pictures")
    return path
