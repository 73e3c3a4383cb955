"""`reverie export minari`: a run's episodes as a dataset of Minari."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro

from reverie.cli.arguments import parse, print_json
from reverie.notes import say


@dataclass(frozen=True, kw_only=True)
class MinariArguments:
    """Which run, and under what name."""

    run: Annotated[str, tyro.conf.Positional]
    """Folder of a run that has collected."""
    id: str | None = None
    """Name of the dataset, such as car/random-v0 (default: the name of the run's folder, with -v0)."""
    json: bool = False
    """Print the result as one JSON object."""


def main(verb: str, arguments: Sequence[str]) -> None:
    """Writes the dataset where Minari keeps its own, and says how to load it."""
    args = parse(
        MinariArguments,
        arguments,
        verb,
        "The episodes that a run collected, as a dataset of Minari with lossless pictures. Minari keeps datasets in "
        "~/.minari/datasets, or where MINARI_DATASETS_PATH says.",
    )
    from reverie.data.store import EpisodeStore
    from reverie.errors import UserError
    from reverie.interchange.minari import export_minari
    from reverie.run.folder import RunFolder

    run = RunFolder.open(args.run)
    if run.is_packaged:
        raise UserError(f"{run.name} is an agent without the episodes that it learned from: export a run of your own")
    run.require("collect")
    run.verify("collect")
    store = EpisodeStore(run.rollouts)
    dataset_id = args.id or f"{re.sub(r'[^-_0-9A-Za-z]', '-', run.path.resolve().name)}-v0"
    folder = export_minari(store, run.config.env, dataset_id)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    facts = {"id": dataset_id, "folder": str(folder), "episodes": len(store), "decisions": store.num_decisions}
    if args.json:
        print_json({**facts, "bytes": size})
        return
    say(f"{folder}: {len(store):,} episodes, {store.num_decisions:,} decisions, {size:,} bytes")
    say(f"minari.load_dataset({dataset_id!r})")
