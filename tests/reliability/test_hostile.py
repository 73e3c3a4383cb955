"""Files that nobody of us wrote are refused in one line, or read as what they are: nothing is run, and no room is made
for what they announce."""

import os
import resource
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from reverie.metrics import Metrics
from reverie.run.folder import RunFolder
from tests.reliability.hostile import EDITS, FORGED, READERS, Watch, edited, forge, read

ALL = bool(os.environ.get("REVERIE_SOAK"))
PROFILE = settings(
    max_examples=600 if ALL else 60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)


blocks = pytest.mark.parametrize("block", range(20 if ALL else 1))
"""Of cases, changed at random and forged: each is another one."""


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


@pytest.fixture
def run(tiny_run: RunFolder) -> Path:
    with Metrics(tiny_run.path, tensorboard=False) as metrics:
        for step in range(3):
            metrics.log("vision", step, {"vision/train/loss": step})
    assert all(not read(tiny_run.path, name) for name in READERS), "as it is, it is read"
    return tiny_run.path


def _kept(run: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def _put_back(run: Path, kept: dict[Path, bytes], names: set[Path]) -> None:
    for path in names | {run / "rollouts/index.jsonl"}:
        path.write_bytes(kept[path])


@blocks
def test_changed_at_random(block: int, run: Path, watch: Watch) -> None:
    kept = _kept(run)

    @seed(block)
    @PROFILE
    @given(st.sampled_from([*READERS]), EDITS)
    def check(name: str, edits: list[Any]) -> None:
        (run / name).write_bytes(edited(kept[run / name], edits))
        with watch.listening():
            found = read(run, name)
        _put_back(run, kept, {run / name})
        assert not found, name

    _bounded(check)
    assert not watch.heard


@blocks
def test_forged(block: int, run: Path, watch: Watch, tmp_path: Path) -> None:
    kept, names = _kept(run), [name for name in READERS if name.endswith((".safetensors", ".json", ".jsonl"))]
    copy = Path(shutil.copytree(run, tmp_path / "copy"))

    @seed(block)
    @PROFILE
    @given(st.sampled_from(names), FORGED)
    def check(name: str, forged: tuple[int, Any]) -> None:
        forge(copy, name, *forged)
        with watch.listening():
            found = read(copy, name)
        changed = {path for path in copy.rglob("*") if path.is_file()}
        for path in changed:
            path.write_bytes(kept[run / path.relative_to(copy)])
        assert not found, name

    _bounded(check)
    assert not watch.heard


def _bounded(check: Any) -> None:
    """In less than a gigabyte more than before."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    check()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20, "kB"
