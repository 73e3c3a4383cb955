"""An agent that leaves its run: what it takes to drive, and what tells where it came from."""

import shutil
from pathlib import Path

from reverie import checkpoint
from reverie.dream.moments import DREAM
from reverie.models.files import CONTROLLER, MEMORY, VISION, num_members, numbered
from reverie.run.folder import RunFolder

_SHIPPED = (
    "recipe.toml",
    "evaluation.json",
    "evolution/log.csv",
    *(name for file in (VISION, MEMORY, CONTROLLER, DREAM) for name in (file, file.replace(".safetensors", ".json"))),
)


def copy_agent(run: RunFolder, destination: Path) -> None:
    """Copies what it takes to drive, and what tells where it came from, but no data: how an agent is shipped."""
    shipped = [*_SHIPPED, *(path.relative_to(run.path) for path in sorted(run.pictures.glob("*.png")))]
    for member in range(1, num_members(run.path)):
        shipped += [numbered(name, member) for name in _SHIPPED if name.startswith(("memory.", "dream."))]
    for file in map(Path, shipped):
        (destination / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run.path / file, destination / file)
    stages = {
        name: stage | {"files": {f: sha256 for f, sha256 in stage["files"].items() if Path(f) in map(Path, shipped)}}
        for name, stage in run.manifest["stages"].items()
    }
    evaluation = destination / run.evaluation.name  # it names its run, by a path that others do not have
    checkpoint.write_json(evaluation, checkpoint.read_json(evaluation) | {"run": destination.name})
    stages["evaluate"]["files"][evaluation.name] = checkpoint.file_sha256(evaluation)
    manifest = run.manifest | {"stages": stages}
    del manifest["precision"]  # where it drives, that machine decides
    checkpoint.write_json(destination / "manifest.json", manifest)
