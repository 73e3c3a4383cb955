"""docs/metrics.md names every number that a run logs."""

import json
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("cli")

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_every_number_is_explained(debug_run: Path) -> None:
    lines = (debug_run / "metrics.jsonl").read_text().splitlines()
    logged = {key for line in lines for key in json.loads(line)} - {"stage", "step", "time"}
    assert {"vision/train/loss", "memory/held_out/loss", "controller/validation/mean_return"} <= logged
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    explained = set[str]()
    for row in rows:
        first, *others = re.findall(r"`([^`]+)`", row.split("|")[1])
        stem = first.rsplit("/", 1)[0]
        for key in (first, *(other if "/" in other else f"{stem}/{other}" for other in others)):
            explained |= {key.replace("*", split) for split in ("train", "held_out")}
    assert logged - explained == set()
