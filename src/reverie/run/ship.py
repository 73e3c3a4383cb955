"""An agent that leaves its run: what it takes to drive, and what tells where it came from."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from reverie import checkpoint, writing
from reverie.dream.moments import DREAM, load_moments, save_moments
from reverie.models.files import CONTROLLER, MEMORY, VISION, num_members, numbered
from reverie.run.evaluations import kept_since, read
from reverie.run.folder import RunFolder
from reverie.run.manifest import RECIPE, write_manifest

_SHIPPED = (
    RECIPE,
    "evaluation.json",
    "evolution/log.csv",
    *(name for file in (VISION, MEMORY, CONTROLLER) for name in (file, file.replace(".safetensors", ".json"))),
)
_STARTS = 240
"""Moments that each bank keeps: 2.2 kB each, and all members of an ensemble have a bank."""


def copy_agent(run: RunFolder, destination: Path) -> None:
    """Copies what it takes to drive and to dream, what was measured, and what tells where it came from, but no data:
    how an agent is shipped.

    Raises UserError where a bank of moments is missing, damaged, or of another M.
    """
    shipped = [*_SHIPPED, *(path.relative_to(run.path) for path in sorted(run.pictures.glob("*.png")))]
    for member in range(1, num_members(run.path)):
        shipped += [numbered(name, member) for name in _SHIPPED if name.startswith("memory.")]
    for file in map(Path, shipped):
        (destination / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run.path / file, destination / file)
    banks = [numbered(DREAM, member) for member in range(num_members(run.path))]
    for member, bank in enumerate(banks):
        _thin_out(run.path / bank, run.path / numbered(MEMORY, member), destination / bank)
    manifest = _manifest(run, shipped, destination.name)
    _copy_evaluation(run, run.evaluation.name, manifest, destination)
    _copy_kept(run, manifest, destination)
    manifest["stages"]["memory"]["files"] |= {bank: checkpoint.file_sha256(destination / bank) for bank in banks}
    write_manifest(destination, manifest)


def copy_bare_agent(run: RunFolder, destination: Path) -> None:
    """Copies V, M, C and all moments at which M's dreams begin, the recipe, and what was measured: what it takes to go
    on with an agent, and nothing that only tells of it.

    Raises UserError where the agent is not finished, or something of it is damaged.
    """
    run.require_agent()
    banks = [numbered(name, member) for name in (MEMORY, DREAM) for member in range(num_members(run.path))]
    copied = [RECIPE, VISION, *banks, CONTROLLER]
    destination.mkdir(parents=True)
    for file in copied:
        shutil.copyfile(run.path / file, destination / file)
    manifest = _manifest(run, copied, destination.name)
    if run.is_done("evaluate"):
        run.verify("evaluate")
        _copy_evaluation(run, run.evaluation.name, manifest, destination)
    _copy_kept(run, manifest, destination)
    write_manifest(destination, manifest)


def _manifest(run: RunFolder, shipped: Sequence[str | Path], agent: str) -> dict[str, Any]:
    """The run's for these files alone, of an agent of this name."""
    stages = {
        name: stage | {"files": {f: sha256 for f, sha256 in stage.get("files", {}).items() if f in map(str, shipped)}}
        for name, stage in run.manifest["stages"].items()
    }
    for stage in stages.values():  # what they would go on from, what they logged and what was measured since
        for key in ("states", "metrics", "evaluations"):
            stage.pop(key, None)
    if rounds := stages.get("evaluate", {}).get("rounds"):
        stages["evaluate"]["rounds"] = _renamed(rounds, agent)
    manifest = run.manifest | {"stages": stages}
    manifest.pop("precision", None)  # where it drives, that machine decides
    manifest.pop("forked_from", None)  # a path that others do not have
    return manifest


def _copy_evaluation(
    run: RunFolder, file: str, manifest: dict[str, Any], destination: Path, *, kind: str = "files"
) -> None:
    """Copies what was measured, under the agent's name: it names its run, by a path that others do not have."""
    path = destination / file
    writing.write_json(path, {**read(run.path / file), "run": destination.name})
    manifest["stages"]["evaluate"].setdefault(kind, {})[file] = checkpoint.file_sha256(path)


def _copy_kept(run: RunFolder, manifest: dict[str, Any], destination: Path) -> None:
    """Copies what was measured of the agent since, as `_copy_evaluation` does."""
    for file in kept_since(run):
        _copy_evaluation(run, file, manifest, destination, kind="evaluations")


def _thin_out(bank: Path, memory: Path, destination: Path) -> None:
    """Writes `_STARTS` moments of a bank, spread evenly over it: by their place in it, moments are in a mirror or not,
    shortly before a failure or not. They are the same ones for all members of an ensemble."""
    moments, world = load_moments(bank, memory)
    num = min(_STARTS, len(moments))
    save_moments(destination, moments.select(torch.arange(num) * len(moments) // num), world, memory)


def _renamed(rounds: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """What a manifest kept of a run's rounds, which name themselves by paths that others do not have."""
    *earlier, last = rounds
    return [*(each | {"run": f"{name}/rounds/{each['round']}"} for each in earlier), last | {"run": name}]
