"""An agent as one file for others: the archive that every verb reads in place of a run."""

import re
from pathlib import Path

from reverie import scratch
from reverie.errors import UserError
from reverie.models.packed import CARD, MAX_MODEL, write_packed
from reverie.reading import read_bytes
from reverie.run.folder import RunFolder
from reverie.run.ship import copy_bare_agent
from reverie.studies.card import card_of

_LICENCE = re.compile(r"[A-Za-z0-9.+-]{1,64}")


def pack(run: RunFolder, path: Path, *, licence: str | None = None) -> None:
    """Writes the run's agent to `path`, with its card. The same agent gives the same bytes.

    Raises UserError where it is not finished or damaged, and where the licence is no SPDX identifier.
    """
    if licence is not None and not _LICENCE.fullmatch(licence):
        raise UserError(
            f"--license {licence}: give an identifier as SPDX has them, such as MIT or CC-BY-4.0", usage=True
        )
    with scratch.temporary() as temporary:
        folder = temporary / "agent"
        copy_bare_agent(run, folder)
        made = RunFolder.open(folder)
        try:
            made.require_agent()
        except UserError as error:
            raise UserError(f"{run.path} was changed while it was copied: pack it again") from error
        names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
        files = {name: read_bytes(folder / name, MAX_MODEL) for name in names}
        files[CARD] = card_of(made, licence).encode()
    write_packed(path, files)
