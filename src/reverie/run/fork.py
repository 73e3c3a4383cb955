"""A new run that goes on from what another has finished: same data, other V; same V and M, other C; and so on."""

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from reverie.errors import UserError
from reverie.metrics import stage_of as logged_by
from reverie.reading import open_regular, read_text, unreadable
from reverie.run import settings
from reverie.run.folder import RunFolder
from reverie.run.manifest import NAME, RECIPE, read_manifest
from reverie.run.paths import require_own_place
from reverie.run.stages import BESIDE, OUTPUTS, STAGES, stage_of
from reverie.run.status import FORGOTTEN, TAKING
from reverie.writing import refused, write_atomically

_SINCE = {"agent": "controller"}
"""Groups of settings that are no stage's own -> the first stage in which they count."""
_WRITTEN_ONCE = (".npz", ".npy", ".safetensors")
"""Files that are replaced as a whole or not at all, so that two runs may share them on the disk."""
_UNPACKED = ("frames.npy", "frames.json")


def fork(run: RunFolder, path: Path, overrides: Sequence[str]) -> tuple[RunFolder, list[str]]:
    """A new run in `path` with the recipe of `run` but for `overrides`; gives it, and the stages it has of `run`: those
    that are finished and come before the first one that a changed setting is about. Large files are linked where the
    file system can, copied where not. What was cut off in the midst of it is made anew. `run` is only read, and not
    locked, so that it may be somebody else's, or be gone on with meanwhile.

    Raises UserError where `path` is taken, or lies in another run; where nothing can be kept; where what is to be kept
    is damaged, or a link; and where it is made anew meanwhile.
    """
    cut_off = (path / RECIPE).exists()
    if cut_off and not RunFolder.open(path).is_cut_off:
        raise UserError(f"{path} is a run already: choose another folder", usage=True)
    require_own_place(path)
    run.require_whole()
    config = settings.load(str(run.path / RECIPE), overrides)
    old, new = settings.flatten(settings.load(str(run.path / RECIPE))), settings.flatten(config)
    changed = [key for key in new if new[key] != old.get(key) and key not in BESIDE]
    _check(run, changed)
    first = min((STAGES.index(_stage(key)) for key in changed), default=len(STAGES))
    kept = list[str]()
    for name in STAGES[:first]:
        if not run.is_done(name):
            break
        kept.append(name)
    if not kept:
        raise UserError(f"{run.path} has not finished its first stage: run `reverie train --run {run.path}` first")
    for name in kept:
        run.verify(name)
    if cut_off:
        _clear(RunFolder.open(path))
    new_run = RunFolder.create(
        path,
        config,
        run.manifest["precision"],
        forked_from=str(run.path.resolve()),
        **{TAKING: True},
    )
    with new_run.locked(taking=True):
        _take_stages(run, new_run, kept)
    return new_run, kept


def _clear(cut_off: RunFolder) -> None:
    """Leaves of a fork that was cut off what `create` would."""
    with cut_off.locked(taking=True):
        cut_off.metrics.unlink(missing_ok=True)
        (cut_off.path / RECIPE).unlink()
        (cut_off.path / NAME).unlink()


def _take_stages(run: RunFolder, new_run: RunFolder, kept: Sequence[str]) -> None:
    """What these stages have made, and what is said of them. The new run is locked. Raises UserError where they are no
    longer what they were: who does a stage anew, or goes on with it, says so in the manifest first."""
    new_run.manifest["stages"] = {name: {"status": FORGOTTEN, "seconds": 0.0} for name in kept}
    new_run.write_manifest()  # what a kill leaves from here on is cleared away, not taken for a stage's
    for name in kept:
        for pattern in OUTPUTS[name]:
            for source in run.path.glob(pattern):
                _take(source, new_run.path / source.name)
    _take_metrics(run.metrics, new_run.metrics, kept)
    stages = read_manifest(run.path)["stages"]
    if any(stages.get(name) != run.stage(name) for name in kept):
        raise UserError(f"{run.path} was changed by another process meanwhile: give the same `reverie fork` again")
    del new_run.manifest[TAKING]
    new_run.manifest["stages"] = {name: dict(run.stage(name)) for name in kept}
    new_run.write_manifest()


def _stage(key: str) -> str:
    """The first stage that a setting is about."""
    stage = _SINCE.get(stage_of(key), stage_of(key))
    return stage if stage in STAGES else STAGES[0]  # of the world, or the seed


def _check(run: RunFolder, changed: Sequence[str]) -> None:
    """Raises UserError where no stage could be kept."""
    if run.is_packaged:
        raise UserError(
            f"{run.name} ships without the data that it learned from: fork a run of your own (`reverie train` makes "
            "one)",
            usage=True,
        )
    if run.recipe.rounds.num > 1 or run.is_earlier_round:
        raise UserError(
            f"{run.path} is made of rounds, each of which follows from all settings: make a run anew with `reverie "
            "train` and --set",
            usage=True,
        )
    for key in changed:
        if _stage(key) == STAGES[0]:
            raise UserError(
                f"{key} is about the data itself, so that nothing of {run.path} could be kept: make a run anew with "
                "`reverie train` and --set",
                usage=True,
            )


def _take(source: Path, target: Path) -> None:
    """A file, or a folder with all that is in it, but for locks and what is unpacked again where it is needed. Raises
    UserError for a link, and where the disk refuses."""
    if source.is_dir():
        try:
            target.mkdir(exist_ok=True)
        except OSError as error:
            raise refused(target, error) from error
        for entry in _entries(source):
            if not entry.name.startswith(".") and entry.name not in _UNPACKED:
                _require_no_link(entry)
                _take(entry, target / entry.name)
        return
    _require_no_link(source)
    if source.suffix in _WRITTEN_ONCE:
        with contextlib.suppress(OSError):
            os.link(source, target)
            return
    with open_regular(source) as content, write_atomically(target) as file:
        shutil.copyfileobj(content, file)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise unreadable(folder, error) from error


def _require_no_link(path: Path) -> None:
    """A folder of a stage may be one, to another disk; what is in it is not, since it may lead anywhere."""
    if path.is_symlink():
        raise UserError(f"{path} is a link, which is not followed: put what it names in its place")


def _take_metrics(source: Path, target: Path, kept: Sequence[str]) -> None:
    """What was logged of the stages that are kept."""
    if not source.is_file():
        return
    with write_atomically(target) as file:
        for line in read_text(source).splitlines():
            if logged_by(line.encode()) in kept:
                file.write(line.encode() + b"\n")
