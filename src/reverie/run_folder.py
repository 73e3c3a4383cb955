"""A run is a folder: recipe, manifest, data, models, logs. What is in it, what is finished, and what it came from."""

import contextlib
import fcntl
import platform
import shutil
import time
from collections.abc import Iterator, Mapping
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import reverie
from reverie import checkpoint, recipes
from reverie.errors import UserError
from reverie.models.files import CONTROLLER, MEMORY, VISION
from reverie.recipe import RunConfig
from reverie.workers.pool import num_cores

PRETRAINED = "pretrained"
STAGES = ("collect", "vision", "encode", "memory", "controller", "evaluate", "pictures")
_OUTPUTS = {
    "collect": ("rollouts",),
    "vision": ("vision.*",),
    "encode": ("latents",),
    "memory": ("memory.*",),
    "controller": ("controller.*", "evolution"),
    "evaluate": ("evaluation.json",),
    "pictures": ("pictures",),
}
_SHIPPED = (
    "recipe.toml",
    "evaluation.json",
    "evolution/log.csv",
    *(name for file in (VISION, MEMORY, CONTROLLER) for name in (file, file.replace(".safetensors", ".json"))),
)
_VERSIONS = ("torch", "numpy", "gymnasium", "box2d", "numba", "cma")
# Settings that may change from one sitting to the next: more of the same, or elsewhere.
_EXTENDABLE = ("workers", "controller.generations", "controller.minutes", "evaluate.tracks", "evaluate.first_seed")


class RunFolder:
    """An opened run folder: its paths, configuration and manifest."""

    def __init__(self, path: Path, config: RunConfig, manifest: dict[str, Any]) -> None:
        self.path = path
        self.config = config
        self.manifest = manifest
        self._lock: Any = None

    @property
    def name(self) -> str:
        """How a user names this run."""
        return PRETRAINED if self.is_packaged else str(self.path)

    @property
    def is_packaged(self) -> bool:
        """Whether this is the run that ships in the package, which is only read."""
        return self.path == _packaged()

    rollouts = property(lambda self: self.path / "rollouts")
    latents = property(lambda self: self.path / "latents")
    vision = property(lambda self: self.path / VISION)
    memory = property(lambda self: self.path / MEMORY)
    controller = property(lambda self: self.path / CONTROLLER)
    evolution = property(lambda self: self.path / "evolution")
    evaluation = property(lambda self: self.path / "evaluation.json")
    pictures = property(lambda self: self.path / "pictures")
    videos = property(lambda self: self.path / "videos")

    @classmethod
    def create(cls, path: Path, config: RunConfig) -> "RunFolder":
        """A new folder with recipe and manifest. Raises UserError if something else is there."""
        if path.is_file() or (path.is_dir() and any(path.iterdir())):
            raise UserError(f"{path} exists and is not a run of reverie: choose another --run", usage=True)
        manifest = {
            "format": 1,
            "reverie": reverie.__version__,
            "recipe": config.name,
            "seed": config.seed,
            "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "machine": _machine(),
            "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in _VERSIONS}},
            "stages": {},
        }
        run = cls(path, config, manifest)
        run.write_manifest()
        recipes.save(config, path / "recipe.toml")
        return run

    @classmethod
    def open(cls, name: str | Path) -> "RunFolder":
        """An existing run by its path, or `pretrained`, the one in the package. Raises UserError if there is none."""
        path = Path(name)
        if str(name) == PRETRAINED and not path.exists():
            path = _packaged()
        if not (path / "recipe.toml").is_file():
            raise UserError(f"there is no run in {path}: give the folder of a run, or make one with `reverie train`")
        return cls(path, recipes.load(str(path / "recipe.toml")), checkpoint.read_json(path / "manifest.json"))

    @classmethod
    def open_or_create(cls, path: Path, recipe: str | None, overrides: list[str]) -> "RunFolder":
        """Continues the run in `path`, or makes one from `recipe`. Raises UserError where the two disagree."""
        if not (path / "recipe.toml").is_file():
            return cls.create(path, recipes.load(recipe or recipes.names()[0], overrides))
        run = cls.open(path)
        wanted = recipes.load(recipe or str(path / "recipe.toml"), overrides)
        old, new = recipes.flatten(run.config), recipes.flatten(wanted)
        changed = [key for key in new if new[key] != old.get(key)]
        fixed = [key for key in changed if key not in _EXTENDABLE]
        if fixed:
            key = fixed[0]
            raise UserError(
                f"{path} was made with {key} = {old.get(key)!r}, not {new[key]!r}: choose another --run, "
                f"or leave out the recipe and --set to continue it as it is",
                usage=True,
            )
        if changed:
            run.config = wanted
            recipes.save(wanted, path / "recipe.toml")
            for stage in ("controller", "evaluate"):
                if any(key.startswith(f"{stage}.") for key in changed):
                    run.reopen(stage)
        return run

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps a second process from writing into the same run; the lock goes with the process that holds it.

        What a killed process left half written is removed first.
        """
        with (self.path / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise UserError(f"{self.path} is in use by another process: wait, or choose another --run") from error
            checkpoint.sweep(self.path)
            yield

    def write_manifest(self) -> None:
        """Replaces manifest.json."""
        checkpoint.write_json(self.path / "manifest.json", self.manifest)

    def stage(self, name: str) -> dict[str, Any]:
        """What the manifest says of a stage."""
        return self.manifest["stages"].setdefault(name, {"status": "new", "seconds": 0.0})

    def is_done(self, name: str) -> bool:
        """Whether a stage is finished."""
        return self.stage(name)["status"] == "done"

    def copy_agent(self, destination: Path) -> None:
        """Copies what it takes to drive, and what tells where it came from, but no data: how an agent is shipped."""
        shipped = [*_SHIPPED, *(path.relative_to(self.path) for path in sorted(self.pictures.glob("*.png")))]
        for file in map(Path, shipped):
            (destination / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.path / file, destination / file)
        stages = {
            name: stage
            | {"files": {f: sha256 for f, sha256 in stage["files"].items() if Path(f) in map(Path, shipped)}}
            for name, stage in self.manifest["stages"].items()
        }
        checkpoint.write_json(destination / "manifest.json", self.manifest | {"stages": stages})

    def reopen(self, name: str) -> None:
        """Lets a finished stage go on from where it ended, and those after it be done anew."""
        for stage in STAGES[STAGES.index(name) :]:
            if self.is_done(stage):
                self.manifest["stages"][stage]["status"] = "running"
        self.write_manifest()

    def forget(self, name: str) -> None:
        """Removes what a stage made, and what later stages made from it."""
        for stage in STAGES[STAGES.index(name) :]:
            self.manifest["stages"].pop(stage, None)
        self.write_manifest()
        for stage in STAGES[STAGES.index(name) :]:
            for pattern in _OUTPUTS[stage]:
                for path in self.path.glob(pattern):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()

    def require(self, name: str) -> None:
        """Raises UserError if a stage that is needed now is not finished."""
        if not self.is_done(name):
            raise UserError(
                f"{self.path} has not finished its stage {name}: run `reverie {name} --run {self.path}` first"
            )

    def verify(self, name: str) -> None:
        """Compares the files of a finished stage with their checksums. Raises UserError naming one that differs."""
        for file, sha256 in self.stage(name).get("files", {}).items():
            if checkpoint.file_sha256(self.path / file) != sha256:
                raise UserError(
                    f"{self.path / file} is damaged (its SHA-256 is not the one in manifest.json): "
                    f"restore it from a copy, or run `reverie {name} --run {self.path} --again`"
                )


class StageClock:
    """Counts the wall time of a stage over all sittings, and keeps it in the manifest."""

    def __init__(self, run: RunFolder, name: str) -> None:
        self.run = run
        self.entry = run.stage(name)
        self.entry["status"] = "running"
        self._before = self.entry["seconds"]
        self._start = time.monotonic()
        run.write_manifest()

    @property
    def seconds(self) -> float:
        """Seconds spent on this stage so far."""
        return self._before + time.monotonic() - self._start

    def beat(self) -> None:
        """Writes the time so far, so that a kill loses little of it."""
        self.entry["seconds"] = round(self.seconds, 3)
        self.run.write_manifest()

    def done(self, files: list[Path], facts: Mapping[str, Any]) -> None:
        """Marks the stage as finished, with checksums of what it made and facts about it."""
        self.entry |= {
            "status": "done",
            "files": {str(file.relative_to(self.run.path)): checkpoint.file_sha256(file) for file in files},
            **facts,
        }
        self.beat()


def _machine() -> dict[str, Any]:
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    return {"processor": name, "cores": num_cores(), "system": platform.system()}


def _packaged() -> Path:
    return Path(str(resources.files(reverie) / PRETRAINED))
