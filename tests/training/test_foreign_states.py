"""What a stage goes on from is this run's own: another run's is refused before anything is opened or thrown away."""

from pathlib import Path
from typing import Any

import pytest

from reverie.checkpoint import load, save
from reverie.errors import UserError
from reverie.run.folder import RunFolder
from reverie.training.pipeline import run_stages

STATES = {
    "memory": ("memory.optimizer.safetensors", "memory.steps"),
    "controller": ("evolution/state.safetensors", "controller.search.generations"),
}


def trained(run: RunFolder) -> RunFolder:
    """The run with an M that was really trained, and its optimizer's state."""
    run_stages(run, ("memory",), again=True, quiet=True)
    return RunFolder.open(run.path)


def forge(path: Path, **changed: Any) -> None:
    """Makes the state one of a run that follows from something else; its checksum is right."""
    tensors, meta = load(path)
    assert meta["of"].keys() >= changed.keys()
    save(path, tensors, meta | {"of": meta["of"] | changed})


def content(run: RunFolder) -> dict[str, bytes]:
    """Its files, but for the lock, which stays or goes with the version of filelock."""
    files = [file for file in run.path.rglob("*") if file.is_file() and file.name != ".lock"]
    return {str(file.relative_to(run.path)): file.read_bytes() for file in files}


@pytest.mark.parametrize(
    ("stage", "key"), [("memory", "memory.fit.beta1"), ("controller", "controller.search.strategy.cma.sigma")]
)
def test_a_state_of_another_run_is_not_gone_on_from(stage: str, key: str, tiny_run: RunFolder) -> None:
    run = trained(tiny_run) if stage == "memory" else tiny_run
    name, length = STATES[stage]
    forge(run.path / name, **{key: 0.625})
    before = content(run)
    longer = RunFolder.open_or_create(run.path, None, [f"{length}=9"] if stage == "controller" else [])
    with pytest.raises(UserError, match=rf"{name} is damaged \(its SHA-256 is not the one in manifest.json\)"):
        run_stages(longer, (stage,), more=0 if stage == "controller" else 3, quiet=True)
    assert content(run) == before, "nothing was opened, nothing thrown away"
    run = RunFolder.open(run.path)
    run.reopen(stage)  # as a kill on the way leaves it
    with pytest.raises(UserError, match=rf"{name} is of another run \({key} = 0\.625 there, and 0\.\d+ here\)"):
        run_stages(run, (stage,), quiet=True)


def test_a_state_of_another_seed_is_named_and_an_old_one_is_not_asked(tiny_run: RunFolder) -> None:
    run = trained(tiny_run)
    path = run.path / STATES["memory"][0]
    tensors, meta = load(path)
    run.reopen("memory")
    forge(path, seed=7)
    with pytest.raises(UserError, match=r"is of another run \(seed = 7 there, and 0 here\): restore this run's own"):
        run_stages(RunFolder.open(run.path), ("memory",), quiet=True)
    save(path, tensors, {key: value for key, value in meta.items() if key != "of"})
    run_stages(RunFolder.open(run.path), ("memory",), quiet=True)
    assert RunFolder.open(run.path).is_done("memory")


@pytest.mark.parametrize("spoil", ["step", "optimizer", "tensors"])
def test_a_state_that_lacks_what_it_should_hold_is_a_line(spoil: str, tiny_run: RunFolder) -> None:
    run = trained(tiny_run)
    path = run.path / STATES["memory"][0]
    tensors, meta = load(path)
    run.reopen("memory")
    if spoil == "tensors":
        tensors = {}
    else:
        meta[spoil] = "three"
    save(path, tensors, meta)
    with pytest.raises(UserError, match=r"memory\.optimizer\.safetensors does not hold what it should"):
        run_stages(RunFolder.open(run.path), ("memory",), quiet=True)
