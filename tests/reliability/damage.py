"""What can happen to a file of a run, and the verbs that read it."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reverie.run.lock import is_lock

KINDS = {
    "recipe": "recipe.toml",
    "manifest": "manifest.json",
    "index": "rollouts/index.jsonl",
    "episode": "rollouts/episode_000001.npz",
    "latents": "latents/mu.npy",
    "offsets": "latents/offsets.npy",
    "description of latents": "latents/meta.json",
    "vision": "vision.safetensors",
    "memory": "memory.safetensors",
    "controller": "controller.safetensors",
    "bank": "dream.safetensors",
    "optimizer of V": "rounds/0/vision.optimizer.safetensors",
    "optimizer of M": "memory.optimizer.safetensors",
    "search": "evolution/state.safetensors",
    "log of the search": "evolution/log.csv",
    "metrics": "metrics.jsonl",
    "evaluation": "evaluation.json",
    "index of laps": "laps/index.jsonl",
    "lap": "laps/episode_000000.npz",
    "recipe of a round": "rounds/0/recipe.toml",
    "manifest of a round": "rounds/0/manifest.json",
    "driver of a round": "rounds/0/controller.safetensors",
    "episode of a round": "rounds/0/rollouts/episode_000001.npz",
}
"""Kind of a file -> one of that kind, in a run of two rounds that keeps laps."""

AGENT = ("evaluate", "watch", "dream", "inspect", "compare", "export")
"""Verbs that take an agent, or its V."""
EVERYBODY = ("train", "memory", "controller", *AGENT)
READERS: dict[str, tuple[str, ...]] = {
    "recipe": EVERYBODY,
    "manifest": EVERYBODY,
    "index": ("train", "vision"),
    "episode": ("vision",),
    "latents": ("memory",),
    "offsets": ("memory",),
    "description of latents": ("train", "memory"),
    "vision": ("train", "memory", "controller", "evaluate", "watch", "dream", "inspect", "export"),
    "memory": ("train", "memory", "controller", "evaluate", "watch", "dream", "export"),
    "controller": ("train", "evaluate", "watch", "export"),
    "bank": ("train", "memory", "controller"),
    "optimizer of V": (),
    "optimizer of M": ("memory",),
    "search": ("train", "controller"),
    "log of the search": (),
    "metrics": (),
    "evaluation": (),
    "index of laps": ("train",),
    "lap": (),
    "recipe of a round": (),
    "manifest of a round": (),
    "driver of a round": (),
    "episode of a round": (),
}
"""Kind of a file -> the verbs, beside `info --verify`, that go by it."""


def command(verb: str, run: Path, out: Path) -> list[str]:
    """A command line that makes `verb` read the files of a finished run."""
    more = {
        "info": [str(run), "--verify", "--quiet"],
        "train": ["--run", str(run), "--quiet"],
        "vision": ["--run", str(run), "--continue", "1", "--quiet"],
        "memory": ["--run", str(run), "--continue", "1", "--quiet"],
        "controller": ["--run", str(run), "--set", "rounds.generations=9", "--quiet"],
        "evaluate": [str(run), "--tracks", "1", "--workers", "0", "--quiet"],
        "watch": [str(run), "--output", str(out / "watch.mp4"), "--quiet"],
        "dream": [str(run), "--output", str(out / "dream.mp4"), "--quiet"],
        "inspect": [str(run), "--output", str(out / "inspect"), "--quiet"],
        "compare": [str(run), str(run), "--output", str(out / "compare"), "--quiet"],
        "export": ["web", str(run), "--out", str(out / "page.html")],
    }
    return [verb, *more[verb]]


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _other(path: Path, run: Path) -> None:
    """The same file of another run, which is the other one of the two rounds; where they share it, the next one."""
    name = path.relative_to(run)
    inside = name.parts[:2] == ("rounds", "0")
    twin = run / Path(*name.parts[2:]) if inside else run / "rounds" / "0" / name
    donors = (twin, path.with_name(path.name.replace("1", "2")), run / "evaluation.json", run / "recipe.toml")
    data = path.read_bytes()
    other = next(donor.read_bytes() for donor in donors if donor.exists() and donor.read_bytes() != data)
    path.unlink()  # episodes share their files by links
    path.write_bytes(other)


DAMAGES: dict[str, Callable[[Path, Path], object]] = {
    "flipped": lambda path, run: _flip(_alone(path)),  # noqa: ARG005
    "cut": lambda path, run: path.write_bytes(_alone(path).read_bytes()[: path.stat().st_size // 2]),  # noqa: ARG005
    "empty": lambda path, run: _alone(path).write_bytes(b""),  # noqa: ARG005
    "swapped": _other,
    "missing": lambda path, run: path.unlink(),  # noqa: ARG005
}


def _alone(path: Path) -> Path:
    """The file, which is no link to another one any more."""
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)
    return path


@contextmanager
def damaged(run: Path, name: str, how: str) -> Iterator[Path]:
    """While this lasts, a file of the run is not what it was."""
    path, kept = run / name, run.parent / "kept"
    shutil.copyfile(path, kept)
    DAMAGES[how](path, run)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
        kept.rename(path)


def content(run: Path) -> dict[str, bytes]:
    """Every file of a run, but for locks."""
    files = (path for path in run.rglob("*") if path.is_file() and not is_lock(path))
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in files}
