"""What was measured of a run's agent on test tracks, kept in its folder: by who drew, and on which tracks."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from reverie.challenge import Challenge
from reverie.checkpoint import file_sha256
from reverie.envs.registry import versions_of
from reverie.errors import UserError
from reverie.measure.score import Evaluation
from reverie.notes import note
from reverie.reading import form_of, read_json
from reverie.run.folder import RunFolder
from reverie.writing import write_json

Kept = Mapping[str, Any]
"""An `Evaluation` as JSON has it."""
_NAME = re.compile(r"(gymnasium|fast)_(\d+)_from_(\d+)(?:_(\w+))?")
"""Of a file that is kept: who drew, how many tracks, the first of them, and the challenge, if there was one."""
_AGENT = "agent"
"""Key of the checksums of the agent that was measured."""


def keep(run: RunFolder, evaluation: Evaluation, agent: str) -> Path | None:
    """Keeps it in the run, and removes what was measured of an agent that the run no longer has. `agent` is the run's
    `agent_digest` as it was before it drove.

    None for a run that ships, which is only read; and where the run has been given another agent meanwhile, another
    process is at work in it, or the disk refuses, which is said.
    """
    if run.is_packaged:
        return None
    try:
        return _keep(run, evaluation, agent)
    except UserError as error:
        note(f"the evaluation of {run.name} is not kept: {error}")
        return None


def _keep(run: RunFolder, evaluation: Evaluation, agent: str) -> Path:
    challenge = f"_{evaluation.challenge}" if evaluation.challenge else ""
    name = f"{evaluation.renderer}_{evaluation.num_tracks}_from_{evaluation.first_seed}{challenge}.json"
    path = run.evaluations / name
    with run.locked():
        if run.agent_digest != agent:
            raise UserError("V, M or C was made anew while it drove: evaluate again")
        checksums = run.stage("evaluate").setdefault("evaluations", {})
        for file in list(checksums):
            if (found := _whole(run, file)) is None or found.get(_AGENT) != agent:
                (run.path / file).unlink(missing_ok=True)
                del checksums[file]
        write_json(path, asdict(evaluation) | {_AGENT: agent})
        checksums[str(path.relative_to(run.path))] = file_sha256(path)
        run.write_manifest()
    return path


def kept(run: RunFolder) -> list[Kept]:
    """All that is known of the run's agent as it is now: what its stage measured first. What is missing, damaged or of
    another agent is left out."""
    done = run.manifest["stages"].get("evaluate", {}).get("status") == "done"
    own = [read(run.evaluation)] if done and run.evaluation.is_file() else []
    return own + [one for _, one in sorted(kept_since(run).items())]


def kept_since(run: RunFolder) -> dict[str, Kept]:
    """The file of each evaluation of the agent as it is now, but for that of its stage -> what it says."""
    checksums = _checksums(run)
    if not checksums or not run.controller.is_file():
        return {}
    found, agent = {file: _whole(run, file) for file in checksums}, run.agent_digest
    return {file: one for file, one in found.items() if one and one.get(_AGENT) == agent}


def score(run: RunFolder) -> Kept | None:
    """The evaluation on the most tracks that Gymnasium drew, shown as they are; None where there is none."""
    drawn = [one for one in kept(run) if one["renderer"] == "gymnasium" and one["challenge"] is None]
    return max(drawn, key=lambda one: one["num_tracks"], default=None)


def as_evaluation(one: Kept) -> Evaluation:
    """The same as what `evaluate` gives."""
    own = {field.name: one[field.name] for field in fields(Evaluation)}
    tuples: dict[str, Any] = {name: own[name] and tuple(own[name]) for name in ("ci95", "returns")}
    return Evaluation(**own | tuples)


def returns_by_track(
    evaluations: Sequence[Kept], renderer: str, challenge: Challenge | None = None
) -> dict[int, float]:
    """Seed of a track -> return, of all evaluations by this renderer, shown in this way: a return is its track's own,
    whichever others are driven beside it."""
    return {
        seed: ret
        for one in evaluations
        if (one["renderer"], one["challenge"]) == (renderer, challenge)
        for seed, ret in enumerate(one["returns"], one["first_seed"])
    }


def worlds_of(run: RunFolder, renderer: str) -> set[str]:
    """Versions of what the world was made of, as a text, in which the run was evaluated by this renderer. Of an older
    evaluation they are taken to be those that the run was made with."""
    made_with, names = run.manifest["versions"], versions_of(run.config.env)
    older = {name: made_with[name] for name in names if name in made_with}
    return {in_words(one.get("versions") or older) for one in kept(run) if one["renderer"] == renderer}


def in_words(versions: Mapping[str, str]) -> str:
    """Versions of what a world was made of."""
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))


def faults(run: RunFolder) -> Iterator[tuple[Path, UserError]]:
    """Each of them that is missing or is not what its checksum says, and the line about it, with the cure."""
    for file, sha256 in _checksums(run).items():
        path = run.path / file
        wrong = "is missing" if not path.exists() else "is damaged" if file_sha256(path) != sha256 else None
        if wrong:
            cure = "restore it from a copy"
            if found := _NAME.fullmatch(path.stem):
                renderer, tracks, first, challenge = found.groups()
                of_it = f"--renderer {renderer} --tracks {tracks} --first-seed {first}"
                of_it += f" --challenge {challenge}" if challenge else ""
                cure += f", or run `reverie evaluate {run.path} {of_it}`"
            yield path, UserError(f"{path} {wrong}: {cure}")
            continue
        try:
            read(path)
        except UserError as error:
            yield path, error


def read(path: Path) -> Kept:
    """What a file of the kind that is kept says, with what older ones leave out. Raises UserError where it is none."""
    found, form = read_json(path), form_of(Evaluation)
    try:
        return found | form.dump_python(form.validate_python(found), mode="json")
    except ValidationError as error:
        reason = error.errors()[0]
        where = ".".join(map(str, reason["loc"]))
        raise UserError(
            f"{path} is no evaluation ({where + ': ' if where else ''}{reason['msg']}): restore it from a copy, or "
            "evaluate again"
        ) from error


def _checksums(run: RunFolder) -> Mapping[str, str]:
    """SHA-256 of each file that is kept; to read them changes nothing."""
    return run.manifest["stages"].get("evaluate", {}).get("evaluations", {})


def _whole(run: RunFolder, file: str) -> Kept | None:
    """A kept evaluation, where it is what its checksum says."""
    path = run.path / file
    sha256 = _checksums(run)[file]
    return read(path) if path.is_file() and file_sha256(path) == sha256 else None
