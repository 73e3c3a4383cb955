"""`reverie info`: what a run holds, and whether it is whole."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from reverie.cli.arguments import parse, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from reverie.run.folder import RunFolder

_DATA_STAGES = ("collect", "encode")
"""What these made is large, and does not ship in the package."""


@dataclass(frozen=True, kw_only=True)
class InfoArguments:
    """Which run."""

    run: Annotated[str, tyro.conf.Positional]
    """Folder of a run, `pretrained` or `dreamt`."""
    quiet: bool = False
    """Show no progress."""
    json: bool = False
    """Print the result as one JSON object."""


def main(verb: str, arguments: Sequence[str]) -> None:
    """Verifies the run's checksums, and prints what is in it."""
    args = parse(InfoArguments, arguments, verb, "Say what a run holds, and verify it against its checksums.")
    from reverie.run.folder import RunFolder

    run = RunFolder.open(args.run)
    verified = verify(run, quiet=args.quiet)
    found = describe(run) | {"verified": verified}
    if args.json:
        print_json(found)
    else:
        _show(found)


def verify(run: "RunFolder", *, quiet: bool) -> list[str]:
    """Compares every file that has a checksum with it; gives the stages it did so for. UserError at a difference."""
    from reverie.run.evaluations import verify_kept
    from reverie.run.stages import STAGES

    done = [name for name in STAGES if run.manifest["stages"].get(name, {}).get("status") == "done"]
    if run.is_packaged:
        done = [name for name in done if name not in _DATA_STAGES]
    for name in done:
        run.verify(name)
    if "collect" in done:
        _verify_episodes(run, quiet=quiet)
    verify_kept(run)
    if "encode" in done:
        from reverie.data.latents import LatentStore

        LatentStore(run.latents).verify()
    return done


def _verify_episodes(run: "RunFolder", *, quiet: bool) -> None:
    from reverie.checkpoint import file_sha256
    from reverie.data.store import EpisodeStore
    from reverie.errors import UserError
    from reverie.metrics import Progress

    store = EpisodeStore(run.rollouts)
    with Progress("verify", len(store), "episodes", quiet=quiet) as bar:
        for entry in store.entries:
            if file_sha256(run.rollouts / entry["file"]) != entry["sha256"]:
                raise UserError(
                    f"{run.rollouts / entry['file']} is damaged (its SHA-256 is not the one in index.jsonl): "
                    f"restore it from a copy, or run `reverie collect --run {run.path} --again`"
                )
            bar.advance()


def describe(run: "RunFolder") -> dict[str, Any]:
    """What the manifest says, sizes on disk in bytes, and the summary."""
    from reverie.training.summary import summarise

    keys = ("reverie", "created", "machine", "precision", "versions")
    files = {
        file: sha256 for stage in run.manifest["stages"].values() for file, sha256 in stage.get("files", {}).items()
    }
    sizes = {path.name: _size(path) for path in sorted(run.path.iterdir()) if not path.name.startswith(".")}
    return summarise(run) | {key: run.manifest[key] for key in keys} | {"bytes": sizes, "sha256": files}


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())


def _show(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.filesize import decimal
    from rich.markup import escape
    from rich.table import Table

    from reverie.training.rounds import table_of
    from reverie.training.summary import cost_text, duration, score_text, selected_text

    console = Console(highlight=False, soft_wrap=True)
    machine = found["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    lines = {
        "recipe": f"{found['recipe']}, seed {found['seed']}, {'complete' if found['complete'] else 'not complete'}",
        "score": score_text(found["evaluation"]),
        "cost": cost_text(found),
        "made": f"{found['created']} by reverie {found['reverie']}",
        "machine": f"{machine['processor']}, {machine['cores']} cores, {machine['system']}",
        "precision": f"{found['precision']} where a setting says auto",
        "versions": versions,
    }
    if found["selected"]:
        lines["selected"] = selected_text(found["selected"])
    console.print(f"[bold]{escape(found['run'])}[/bold]")
    for name, text in lines.items():
        console.print(f"{name:<9} {escape(text)}")
    stages = Table("stage", "status", "time", "SHA-256", box=None, pad_edge=False, header_style="dim")
    for name, stage in found["stages"].items():
        state = f"{stage['status']}, verified" if name in found["verified"] else stage["status"]
        stages.add_row(name, state, duration(stage["seconds"]), _checksums(found["sha256"], name))
    sizes = Table("on disk", "size", box=None, pad_edge=False, header_style="dim")
    for name, size in found["bytes"].items():
        sizes.add_row(escape(name), decimal(size))
    sizes.add_row("all", decimal(sum(found["bytes"].values())), style="bold")
    tables = [table_of(found["rounds"])] if found["rounds"] else []
    if len(found["evaluations"]) > 1:
        tables.append(_evaluations(found["evaluations"]))
    for table in [*tables, stages, sizes]:
        console.print()
        console.print(table)
    console.print("\nEvery file of a stage that is marked as verified is what its checksum says.")


def _evaluations(found: list[dict[str, Any]]) -> "Table":
    """All that was measured of the agent on test tracks."""
    from rich.table import Table

    columns = ("evaluated on tracks", "drawn by", "mean", "95% interval", "standard deviation")
    table = Table(*columns, box=None, pad_edge=False, header_style="dim")
    for one in found:
        interval = "[{:.0f}, {:.0f}]".format(*one["ci95"]) if one["ci95"] else ""
        tracks = f"{one['first_seed']} to {one['first_seed'] + one['num_tracks'] - 1}"
        table.add_row(tracks, one["renderer"], f"{one['mean']:.1f}", interval, f"{one['std']:.0f}")
    return table


def _checksums(files: dict[str, str], stage: str) -> str:
    """The models' checksums, shortened: one, or a line for each member of an ensemble."""
    model = re.compile(rf"{stage}(\.\d+)?\.safetensors")
    return "\n".join(f"{sha256[:12]}  {file}" for file, sha256 in files.items() if model.fullmatch(file))
