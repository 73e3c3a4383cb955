"""Whether every file of a run is what it was when it was written, and what to do about each that is not.

Checksums tell that a file is the one that was written; opening it as its readers do tells that it holds what it should,
whatever its checksum says. The run itself must open: its recipe and its manifest say what there is to look at.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from reverie.checkpoint import file_sha256, load
from reverie.data.latents import MIRRORED, LatentStore
from reverie.data.store import EpisodeStore
from reverie.dream.dreamer import load_dreams
from reverie.errors import UserError
from reverie.metrics import lines_sha256
from reverie.models.files import check_made_for, load_controller, load_memory, load_vision, numbered
from reverie.progress import Progress
from reverie.reading import MAX_TEXT, read_bytes, read_json
from reverie.run import evaluations
from reverie.run.folder import RunFolder, collecting_agent
from reverie.run.manifest import NAME, RECIPE
from reverie.run.stages import STAGES
from reverie.training.controller import search
from reverie.training.controller.imagine import kept
from reverie.training.controller.log import as_csv
from reverie.training.identity import identity, require_own

_LOGGED = {search.SEARCH_STATE: search.COLUMNS, "imagine.safetensors": kept.COLUMNS}
"""State of a learner -> the columns of its log."""
_LOADERS = {"vision": load_vision, "memory": load_memory, "controller": load_controller}


class Verification:
    """What was looked at so far, and what is wrong with it."""

    def __init__(self, run: RunFolder) -> None:
        self.stages = [name for name in STAGES if _has_data(run, name)]
        """The run's, of which there is something to look at."""
        self.looked_at: set[Path] = set()
        self.faults: dict[Path, str] = {}
        """File -> the first line about it, with the cure."""
        self.whole: set[tuple[int, int, str]] = set()
        """Device, number and checksum of the episodes that are as they were written: rounds share their files."""

    def look(self, path: Path, check: Callable[[], object]) -> bool:
        """Notes what the check refuses `path` with, if nothing is known to be wrong with it yet; says if all is
        well."""
        self.looked_at.add(path)
        if path not in self.faults:
            try:
                check()
            except UserError as fault:
                self.faults[path] = str(fault)
        return path not in self.faults


def verify(run: RunFolder, *, quiet: bool) -> Verification:
    """Looks at every file of a run and of those that it went on from, by its checksum and as its readers open it."""
    found = Verification(run)
    _verify(run, found, quiet=quiet)
    return found


def _verify(run: RunFolder, found: Verification, *, quiet: bool) -> None:
    found.looked_at |= {run.path / RECIPE, run.path / NAME}
    done = [name for name in STAGES if run.is_done(name)]
    for name in done:
        for kind in ("files", "states"):
            found.looked_at |= {run.path / file for file in run.stage(name).get(kind, {})}
            found.faults |= {path: str(fault) for path, fault in run.faults(name, kind) if path not in found.faults}
        if logged := run.stage(name).get("metrics"):
            found.look(run.metrics, lambda name=name, logged=logged: _require_logged(run, name, logged))
    if _has_data(run, "collect"):
        _verify_episodes(run.rollouts, found, quiet=quiet)
        _verify_before(run, found, quiet=quiet)
    if _has_data(run, "encode"):
        _verify_latents(run, run.latents, found)
    if run.laps.exists() and "controller" in done:
        _verify_episodes(run.laps, found, quiet=quiet)
    for name, loader in _LOADERS.items():
        if name in done:
            path = run.path / f"{name}.safetensors"
            found.look(path, lambda loader=loader, path=path: loader(path))
    if not {run.vision, run.memory} & found.faults.keys():  # what was made from a damaged one is not damaged by it
        if "controller" in done:
            found.look(run.controller, lambda: check_made_for(run.controller, run.path))
        if "memory" in done:
            found.look(run.dream, lambda: load_dreams(run.path))
    for stage, path in _states(run):
        found.look(path, lambda stage=stage, path=path: _require_own(run, stage, path))
    log = run.evolution / "log.csv"
    for name, order in _LOGGED.items():
        state = run.evolution / name
        if state.exists() and state not in found.faults:
            found.look(log, lambda state=state, order=order: _require_log(run, log, state, order))
    found.looked_at |= {run.path / file for file in run.stage("evaluate").get("evaluations", {})}
    found.faults |= {path: str(fault) for path, fault in evaluations.faults(run)}
    if "evaluate" in done:
        found.look(run.evaluation, lambda: evaluations.read(run.evaluation))


def _has_data(run: RunFolder, stage: str) -> bool:
    """Whether what a stage made is here: an agent that was shipped leaves its data behind."""
    return run.is_done(stage) and bool(run.stage(stage).get("files"))


def _require_logged(run: RunFolder, name: str, logged: str) -> None:
    if lines_sha256(run.metrics, name) != logged:
        raise UserError(
            f"{run.metrics} is damaged (what it says of {name} is not what was logged): restore it from a copy; "
            "nothing but charts is made of it"
        )


def _verify_episodes(folder: Path, found: Verification, *, quiet: bool) -> None:
    index = folder / "index.jsonl"
    if not found.look(index, lambda: EpisodeStore(folder)):
        return
    store = EpisodeStore(folder)
    with Progress("verify", len(store), "episodes", quiet=quiet) as bar:
        for i, entry in enumerate(store.entries):
            path, sha256 = folder / entry["file"], entry["sha256"]
            found.looked_at.add(path)
            file = _file(path, sha256)
            if file not in found.whole and found.look(path, lambda i=i: store[i]) and file:
                found.whole.add(file)
            bar.advance()


def _file(path: Path, sha256: str) -> tuple[int, int, str] | None:
    """The file behind a name, and what it should hold; a link is the same file. None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, sha256


def _verify_before(run: RunFolder, found: Verification, *, quiet: bool) -> None:
    """What this run went on from: its scout, or the round before, which has its own before it."""
    if run.forerunner is None:
        return
    recipe = run.forerunner / RECIPE
    if found.look(recipe, lambda: collecting_agent(run) if not recipe.exists() else RunFolder.open(recipe.parent)):
        _verify(RunFolder.open(recipe.parent), found, quiet=quiet)


def _verify_latents(run: RunFolder, folder: Path, found: Verification) -> None:
    description, cure = folder / "meta.json", f"encode again (`reverie encode --run {run.path} --again`)"
    if not found.look(description, lambda: read_json(description)):
        return
    sums = read_json(description).get("sha256", {})
    arrays = {folder / name: sha256 for name, sha256 in sums.items()}

    def require(path: Path, sha256: str) -> None:
        if not path.exists():
            raise UserError(f"{path} is missing: {cure}")
        if file_sha256(path) != sha256:
            raise UserError(f"{path} is damaged (its checksum does not match): {cure}")

    for path, sha256 in arrays.items():
        found.look(path, lambda path=path, sha256=sha256: require(path, sha256))
    if not arrays.keys() & found.faults.keys():
        found.look(description, lambda: LatentStore(folder))
    if (folder / MIRRORED).is_dir():
        _verify_latents(run, folder / MIRRORED, found)


def _require_log(run: RunFolder, log: Path, state: Path, order: Sequence[str]) -> None:
    history = load(state)[1]["history"]
    if history and read_bytes(log, MAX_TEXT) != as_csv(history, order):
        raise UserError(
            f"{log} is damaged (it is not what {state.name} says): restore it from a copy, or let the search go on "
            f"(`reverie controller --run {run.path}`)"
        )


def _states(run: RunFolder) -> Iterator[tuple[str, Path]]:
    """What stages go on from, finished or not, and the controllers of a search's way."""
    members = range(run.config.memory.members)
    yield "vision", run.path / "vision.optimizer.safetensors"
    yield from (("memory", run.path / numbered("memory.optimizer.safetensors", member)) for member in members)
    yield from (("controller", path) for path in sorted(run.evolution.glob("*.safetensors")))


def _require_own(run: RunFolder, stage: str, path: Path) -> None:
    if path.exists():
        meta = load(path)[1]
        require_own(path, meta.get("of"), identity(run, stage), f"`reverie {stage} --run {run.path} --again`")
