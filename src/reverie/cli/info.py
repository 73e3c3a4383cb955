"""`reverie info`: what a run holds, and whether it is whole."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from reverie.cli.arguments import parse, print_json
from reverie.notes import console, say

if TYPE_CHECKING:
    from rich.table import Table

    from reverie.run.folder import RunFolder
    from reverie.studies.verify import Verification


@dataclass(frozen=True, kw_only=True)
class InfoArguments:
    """Which run."""

    run: Annotated[str, tyro.conf.Positional]
    """Folder of a run, `pretrained` or `dreamt`."""
    verify: bool = False
    """Say only which files are damaged, missing or foreign, a line for each with what to do about it."""
    quiet: bool = False
    """Show no progress."""
    json: bool = False
    """Print the result as one JSON object."""


def main(verb: str, arguments: Sequence[str]) -> None:
    """Verifies the run, and prints what is in it, or with --verify what is wrong with it."""
    args = parse(InfoArguments, arguments, verb, "Say what a run holds, and verify it against its checksums.")
    from reverie.errors import UserError
    from reverie.run.folder import RunFolder
    from reverie.studies.verify import verify

    run = RunFolder.open(args.run)
    found = verify(run, quiet=args.quiet)
    if args.verify:
        _say(run, found, args.json)
    elif found.faults:
        raise UserError(next(iter(found.faults.values())))
    elif args.json:
        print_json(describe(run) | {"verified": found.stages})
    else:
        _show(describe(run) | {"verified": found.stages})


def _say(run: "RunFolder", found: "Verification", as_json: bool) -> None:
    """A line for each file that is not what it was. Raises UserError where there is one."""
    from reverie.errors import UserError

    num, total = len(found.faults), len(found.looked_at)
    if as_json:
        faults = {str(path): line for path, line in found.faults.items()}
        print_json({"run": run.name, "files": total, "faults": faults})
    else:
        for line in found.faults.values():
            say(line)
    if num:
        raise UserError(f"{num} of the {total} files of {run.name} are not what was written")
    if not as_json:
        say(f"{run.name}: all {total} files are what was written")


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
    from rich.filesize import decimal
    from rich.markup import escape
    from rich.table import Table

    from reverie.training.rounds import table_of
    from reverie.training.summary import cost_text, duration, score_text, selected_text

    wide = console(soft_wrap=True)
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
    wide.print(f"[bold]{escape(found['run'])}[/bold]")
    for name, text in lines.items():
        wide.print(f"{name:<9} {escape(text)}")
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
        wide.print()
        wide.print(table)
    wide.print("\nEvery file of a stage that is marked as verified is what its checksum says.")


def _evaluations(found: list[dict[str, Any]]) -> "Table":
    """All that was measured of the agent on test tracks."""
    from rich.markup import escape
    from rich.table import Table

    columns = ("evaluated on tracks", "drawn by", "challenge", "mean", "95% interval", "standard deviation")
    table = Table(*columns, box=None, pad_edge=False, header_style="dim")
    for one in found:
        interval = "[{:.0f}, {:.0f}]".format(*one["ci95"]) if one["ci95"] else ""
        tracks = f"{one['first_seed']} to {one['first_seed'] + one['num_tracks'] - 1}"
        challenge, mean, std = one["challenge"] or "", f"{one['mean']:.1f}", f"{one['std']:.0f}"
        table.add_row(tracks, escape(one["renderer"]), challenge, mean, interval, std)
    return table


def _checksums(files: dict[str, str], stage: str) -> str:
    """The models' checksums, shortened: one, or a line for each member of an ensemble."""
    from rich.markup import escape

    model = re.compile(rf"{stage}(\.\d+)?\.safetensors")
    return "\n".join(f"{escape(sha256[:12])}  {file}" for file, sha256 in files.items() if model.fullmatch(file))
