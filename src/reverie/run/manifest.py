"""manifest.json of a run: what made it, on what machine, and what is known of each stage."""

import contextlib
import hashlib
import json
import platform
import time
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge
from pydantic import AfterValidator, BaseModel, Field, ValidationError

import reverie
from reverie import reading, writing
from reverie.devices import Decided, chosen_device, fast_precision, num_cores
from reverie.errors import UserError
from reverie.reading import is_inside
from reverie.run.recipe import RunConfig

FORMAT = 1
NAME, RECIPE = "manifest.json", "recipe.toml"
_VERSIONS = ("torch", "numpy", "gymnasium", "box2d", "numba", "cma")


def new_manifest(config: RunConfig, precision: Decided | None = None) -> dict[str, Any]:
    """Of a run that begins now, on this machine; `precision` is what `auto` means to it, if others decided that."""
    return {
        "format": FORMAT,
        "reverie": reverie.__version__,
        "recipe": config.name,
        "seed": config.seed,
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "machine": _machine(),
        "precision": precision or fast_precision(chosen_device(config.device).type),
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in _VERSIONS}},
        "stages": {},
    }


def _inside(name: str) -> str:
    if not is_inside(name):
        raise ValueError(f"{name!r} is no file inside the run")
    return name


_Count = Annotated[int, Ge(0)]
_Number = Annotated[float, Field(allow_inf_nan=False)]
_Line = Annotated[str, Field(pattern=r"^[^\r\n]*$")]
_Files = dict[Annotated[str, AfterValidator(_inside)], str]


class _Checked(BaseModel, extra="allow", strict=True):
    """What others read of a part of the manifest, which may say more."""


class _Ledger(_Checked, extra="forbid"):
    collecting: _Count = 0
    learning: _Count = 0
    measuring: _Count = 0
    selecting: _Count = 0
    dreamt: _Count = 0


class _Laps(_Checked):
    mean: _Number
    ci95: Annotated[list[_Number], Field(min_length=2, max_length=2)] | None
    returns: list[_Number]


class _Round(_Checked):
    round: _Count
    run: str
    episodes: _Count | None
    ledger: _Ledger
    vision_kept: bool
    vision_error: _Number | None
    memory_loss: _Number | None
    steps: _Count | None
    validation_score: _Number | None
    laps: _Laps | None
    score: _Number | None


class _Stage(_Checked):
    status: Literal["new", "running", "done", "forgotten"]
    seconds: Annotated[_Number, Ge(0)]
    files: _Files = Field(default_factory=dict)
    states: _Files = Field(default_factory=dict)
    metrics: str = ""
    evaluations: _Files = Field(default_factory=dict)
    episodes: _Count = 0
    frames: _Count = 0
    dreamt: _Count = 0
    measuring_frames: _Count = 0
    selecting_frames: _Count = 0
    scout_frames: _Count = 0
    scout_minutes: _Number = 0
    forerunner_minutes: _Number = 0
    forerunner: _Ledger = Field(default_factory=_Ledger)
    laps: _Laps | None = None
    held_out: dict[str, _Number] = Field(default_factory=dict)
    held_out_mean_squared_error: _Number = 0
    held_out_collapse: _Line = ""
    foresight: _Number | None = None
    stood_still: _Line = ""
    steps: _Count = 0
    generations: _Count = 0
    validation_score: _Number = 0
    mean: _Number = 0
    rounds: list[_Round] = Field(default_factory=list)
    selected_round: _Count = 0


class _Machine(_Checked):
    processor: str
    cores: _Count
    system: str


class _Manifest(_Checked):
    reverie: str
    created: str
    machine: _Machine
    versions: dict[str, str]
    precision: Decided = "fp32"
    """Older runs do not name theirs; an agent that was shipped leaves it to each machine."""
    settings: Annotated[list[dict[str, Any]], Field(min_length=1)] = Field(default=[{}])
    """What recipe.toml says, and what it is about to say (see `given`); not in older runs."""
    stages: dict[Literal["collect", "vision", "encode", "memory", "controller", "evaluate", "pictures"], _Stage]


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of the run in `path`. Raises UserError where it is damaged or of another format."""
    file = path / NAME
    manifest = reading.read_json(file)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise UserError(f"{file} is not a manifest of format {FORMAT}: {cure_of_version(path)}")
    if manifest.pop("sha256", own := _digest(manifest)) != own:
        raise UserError(f"{file} is damaged (its checksum does not match): restore it from a copy")
    try:
        _Manifest.model_validate(manifest)
    except (ValidationError, RecursionError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": "too deep"}
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"{file} is damaged ({where}: {first['msg']}): {cure_of_version(path)}") from error
    manifest.setdefault("precision", fast_precision())
    return manifest


def other_versions(manifest: dict[str, Any]) -> str:
    """What a run was begun with that is here in another version, as a text; empty where there is nothing."""
    begun = {"reverie": manifest["reverie"], **manifest["versions"]}
    here = {"reverie": reverie.__version__, **{name: metadata.version(name) for name in _VERSIONS}}
    differing = [name for name in here if begun.get(name, here[name]) != here[name]]
    return ", ".join(f"{name} {begun[name]} (here {here[name]})" for name in differing)


def write_manifest(path: Path, manifest: dict[str, Any]) -> None:
    """Replaces the manifest of the run in `path`, with a checksum of what it says."""
    writing.write_json(path / NAME, {**manifest, "sha256": _digest(manifest)})


def _digest(manifest: dict[str, Any]) -> str:
    rest = {key: value for key, value in manifest.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def cure_of_version(path: Path) -> str:
    """What to do about a run in `path` that this version cannot read, by the version that wrote it."""
    manifest = None
    with contextlib.suppress(UserError):
        manifest = reading.read_json(path / NAME)
    written = manifest.get("reverie") if isinstance(manifest, dict) else None
    if not isinstance(written, str) or written == reverie.__version__:
        return "restore it from a copy"
    return (
        f"reverie {written} wrote this run, and this is {reverie.__version__}: install that version to go on with it, "
        f"or make the run anew"
    )


def _machine() -> dict[str, Any]:
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    return {"processor": name, "cores": num_cores(), "system": platform.system()}
