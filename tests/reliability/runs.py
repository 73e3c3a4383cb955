"""Runs of recipe debug, of every kind that there is: how they are made, and what they came to."""

import csv
import json
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from reverie import checkpoint
from reverie.checkpoint import file_sha256
from tests.training.controller.imagine.test_in_rounds import IMAGINE
from tests.training.small_rounds import SMALL

_STRATEGY = "controller.search.strategy"
_GAN = "vision.vae_gan.discriminator"
KINDS: dict[str, tuple[str, ...]] = {
    "cma": (),
    "pepg": (f"{_STRATEGY}.name=pepg", f"{_STRATEGY}.pepg.population=4"),
    "openes": (f"{_STRATEGY}.name=openes", f"{_STRATEGY}.openes.population=4"),
    "ga": (f"{_STRATEGY}.name=ga", f"{_STRATEGY}.ga.population=4"),
    "imagine": (*(each for each in IMAGINE if not each.startswith("rounds.")), "memory.model.reward.head=two_hot"),
    "search in dreams, two Ms": ("controller.world=dream", "controller.dream.decisions=20", "memory.members=2"),
    "VAE/GAN": ("vision.model=vae_gan", f"{_GAN}.channels=[4, 8]", f"{_GAN}.kernel=4", f"{_GAN}.features=8"),
    "scout": ("collect.scout=debug",),
    "three rounds": SMALL,
}
"""What a kind of run sets: each learner of C, each V, several Ms, and runs that have others before them."""
_SAME = ("*.safetensors", "index.jsonl", "meta.json", "mu.npy", "logvar.npy")
_CLOCK = {"hours", "seconds", "time"}
"""What a log says about the time that something took, or when it was."""


def command(run: Path, seed: int, workers: int, *overrides: str) -> list[str]:
    """Makes a run, or goes on with it."""
    return [sys.executable, "-m", "reverie", *arguments(run, seed, workers, *overrides)]


def arguments(run: Path, seed: int, workers: int, *overrides: str) -> list[str]:
    """Of that command."""
    given = [word for each in (f"seed={seed}", *overrides) for word in ("--set", each)]
    return ["train", "debug", "--run", str(run), *given, "--workers", str(workers), "--quiet"]


def made(run: Path) -> dict[str, Any]:
    """What a finished run, and those before it, came to: what it has in common, bit for bit, with one of the same
    settings, however often that was killed."""
    found: dict[str, Any] = {}
    for path in sorted(run.rglob("*")):
        if any(path.match(pattern) for pattern in _SAME):
            found[str(path)] = _tensors(path) if path.parent.name == "evolution" else file_sha256(path)
        elif path.name == "metrics.jsonl":
            found[str(path)] = [_timeless(json.loads(line)) for line in path.read_text().splitlines()]
        elif path.name == "log.csv":
            found[str(path)] = [_timeless(row) for row in csv.DictReader(path.read_text().splitlines())]
        elif path.name == "evaluation.json":
            found[str(path)] = json.loads(path.read_text())["returns"]
    return {key.removeprefix(str(run)): value for key, value in found.items()}


def _tensors(path: Path) -> dict[str, str]:
    """Of a state that says, beside them, how long the search took."""
    return {key: sha256(tensor.numpy().tobytes()).hexdigest() for key, tensor in checkpoint.load(path)[0].items()}


def _timeless(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in _CLOCK}
