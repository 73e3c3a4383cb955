"""Which stages of a run are finished, by its manifest, and whether what they made is whole."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from reverie import checkpoint, writing
from reverie.errors import UserError
from reverie.run.manifest import write_manifest
from reverie.run.paths import RunPaths
from reverie.run.stages import AGENT_STAGES, OUTPUTS, REMADE, STAGES

FORGOTTEN = "forgotten"
"""State of a stage of which files may still lie about, which are to be removed."""

TAKING = "taking"
"""Key of the manifest of a run that is being made from another one, until it has what it takes from there."""


class RunStatus(RunPaths):
    """What the manifest of a run says of its stages."""

    manifest: dict[str, Any]

    @property
    def agent_digest(self) -> str:
        """Says which V, M and C the run has now: the first 16 digits of the SHA-256 of each."""
        return "".join(checkpoint.file_sha256(path)[:16] for path in (self.vision, self.memory, self.controller))

    @property
    def is_cut_off(self) -> bool:
        """Whether it was to be made from another run, and does not have yet what it was to take from there."""
        return TAKING in self.manifest

    def require_whole(self) -> None:
        """Raises UserError for a fork that was cut off."""
        if self.is_cut_off:
            raise UserError(
                f"{self.path} was to be made from {self.manifest['forked_from']}, and that was cut off: give the same "
                "`reverie fork` again"
            )

    def write_manifest(self) -> None:
        """Replaces manifest.json."""
        write_manifest(self.path, self.manifest)

    def stage(self, name: str) -> dict[str, Any]:
        """What the manifest says of a stage."""
        return self.manifest["stages"].setdefault(name, {"status": "new", "seconds": 0.0})

    def is_done(self, name: str) -> bool:
        """Whether a stage is finished."""
        return self.stage(name)["status"] == "done"

    def reopen(self, name: str) -> None:
        """Lets a finished stage go on from where it ended, and those after it be done anew."""
        for stage in STAGES[STAGES.index(name) :]:
            if self.is_done(stage):
                self.manifest["stages"][stage]["status"] = "running"
        self.write_manifest()

    def forget(self, name: str) -> None:
        """Removes what a stage made, and what later stages made from it."""
        stages = STAGES[STAGES.index(name) :]
        for stage in stages:
            self.manifest["stages"][stage] = {"status": FORGOTTEN, "seconds": 0.0}
        self.write_manifest()  # first, so that what a kill leaves is not taken for a stage that goes on
        for path in [path for stage in stages for pattern in OUTPUTS[stage] for path in self.path.glob(pattern)]:
            try:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            except OSError as error:
                raise writing.refused(path, error) from error
        for stage in stages:
            del self.manifest["stages"][stage]
        self.write_manifest()

    def require(self, name: str) -> None:
        """Raises UserError if a stage that is needed now is not finished."""
        if not self.is_done(name):
            raise UserError(
                f"{self.path} has not finished its stage {name}: run `reverie {name} --run {self.path}` first"
            )

    def require_agent(self) -> None:
        """Raises UserError where V, M or C is not finished, or damaged."""
        self._require_and_verify(AGENT_STAGES)

    def require_models(self) -> None:
        """Raises UserError where V or M is not finished, or damaged; C may be missing."""
        self._require_and_verify(("vision", "memory"))

    def _require_and_verify(self, stages: Sequence[str]) -> None:
        for name in stages:
            self.require(name)
            self.verify(name)

    def verify(self, name: str) -> None:
        """Compares the files of a finished stage with their checksums.

        Raises UserError naming one that is missing or differs, and the cure: what lies outside the agent is made again
        by itself, but what others were made from is not thrown away without being asked.
        """
        self._require_whole(name, "files")

    def verify_states(self, name: str) -> None:
        """The same for what a finished stage alone goes on from, for whoever lets it; not in older runs."""
        self._require_whole(name, "states")

    def _require_whole(self, name: str, kind: str) -> None:
        for _, fault in self.faults(name, kind):
            raise fault

    def faults(self, name: str, kind: str) -> Iterator[tuple[Path, UserError]]:
        """Each file of a stage, among its "files" or its "states", that is missing or is not what its checksum says;
        and the line about it, with the cure."""
        cure = f"run `reverie train --run {self.path}`"
        if name not in REMADE:
            cure = f"restore it from a copy, or run `reverie {name} --run {self.path} --again`"
        for file, sha256 in self.stage(name).get(kind, {}).items():
            path = self.path / file
            try:
                if not path.exists():
                    raise UserError(f"{path} is missing: {cure}")
                if checkpoint.file_sha256(path) != sha256:
                    raise UserError(f"{path} is damaged (its SHA-256 is not the one in manifest.json): {cure}")
            except UserError as fault:
                yield path, fault
