"""What is logged can be read again, also after a kill."""

import itertools
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import reverie.metrics
from reverie.errors import UserError
from reverie.metrics import Metrics


def lines(run_dir):
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


def test_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(reverie.metrics.time, "time", lambda: 1234567890.1239)
    with Metrics(tmp_path / "run", tensorboard=False) as metrics:
        metrics.log("vision", 10, {"vision/train/loss": torch.tensor(0.5), "vision/train/kl": np.float32(2)})
        (line,) = lines(tmp_path / "run")  # readable while the run goes on
    assert line == {
        "stage": "vision",
        "step": 10,
        "time": 1234567890.124,
        "vision/train/loss": 0.5,
        "vision/train/kl": 2.0,
    }
    assert not (tmp_path / "run" / "tensorboard").exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_null(tmp_path, value):
    with Metrics(tmp_path, tensorboard=False) as metrics:
        metrics.log("memory", 1, {"memory/train/loss": value})
    assert lines(tmp_path)[0]["memory/train/loss"] is None


def test_a_torn_line_is_cut_off(tmp_path):
    with Metrics(tmp_path, tensorboard=False) as metrics:
        metrics.log("vision", 1, {})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"stage": "visi')
    with Metrics(tmp_path, tensorboard=False) as metrics:
        metrics.log("vision", 2, {})
    assert [line["step"] for line in lines(tmp_path)] == [1, 2]


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(["vision", "memory"]), st.integers(0, 9))), st.integers(0, 10))
def test_rewind(tmp_path_factory, logged, step):
    run_dir = tmp_path_factory.mktemp("run")
    with Metrics(run_dir, tensorboard=False) as metrics:
        for stage, at in logged:
            metrics.log(stage, at, {})
        metrics.rewind("vision", step)
        metrics.log("memory", 99, {})
    kept = [(stage, at) for stage, at in logged if stage == "memory" or at < step]
    assert [(line["stage"], line["step"]) for line in lines(run_dir)] == [*kept, ("memory", 99)]


def test_rewind_drops_what_cannot_be_read(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"stage": "vision", "step": 1}\n[3]\n\0\0\0\n')
    with Metrics(tmp_path, tensorboard=False) as metrics:
        metrics.rewind("vision", 5)
    assert lines(tmp_path) == [{"stage": "vision", "step": 1}]


@pytest.mark.parametrize("tick", [0, 1, -1])  # the clock stands still, goes on, or jumps back at each new file
def test_tensorboard_forgets_what_was_rewound(tick, tmp_path, monkeypatch):
    clock = itertools.count(1_800_000_000, tick)
    for _ in range(12):
        with Metrics(tmp_path) as metrics:
            now = next(clock)
            monkeypatch.setattr(time, "time", lambda now=now: now)
            metrics.rewind("vision", 3)
            for step in range(3, 6):
                metrics.log("vision", step, {"vision/train/loss": step, "vision/train/kl": float("nan")})
            metrics.log("memory", now, {"memory/train/loss": now})
    with Metrics(tmp_path) as metrics:
        metrics.rewind("vision", 5)
        metrics.log("vision", 5, {"vision/train/loss": 50})

    def scalars(stage):
        events = EventAccumulator(str(tmp_path / "tensorboard" / stage)).Reload()
        return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}

    assert scalars("vision") == {"vision/train/loss": [(3, 3), (4, 4), (5, 50)]}
    assert sorted(scalars("memory")) == ["memory/train/loss"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is Linux's")
@pytest.mark.parametrize("full", ["metrics.jsonl", "events.out.tfevents"])
def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(full, tmp_path, monkeypatch, capsys):
    original = Path.open

    def opened(path, mode="r", *rest, **options):
        is_full = path.name.startswith(full) and mode == "xb"
        return original(Path("/dev/full") if is_full else path, "wb" if is_full else mode, *rest, **options)

    with Metrics(tmp_path) as metrics:
        metrics.log("vision", 0, {"vision/train/loss": 1.0})
    monkeypatch.setattr(Path, "open", opened)
    refused = pytest.raises(UserError, match=r"cannot write .*: No space left on device; make room")
    with refused as error, Metrics(tmp_path) as metrics, original(Path("/dev/full"), "wb") as nothing_left:
        if full == "metrics.jsonl":
            os.dup2(nothing_left.fileno(), metrics._file.fileno())
        metrics.log("vision", 1, {"vision/train/loss": 2.0})
    assert str(error.value).count("\n") == 0
    monkeypatch.undo()
    with Metrics(tmp_path) as metrics:
        metrics.rewind("vision", 1)
        metrics.log("vision", 1, {"vision/train/loss": 3.0})
    assert [line["vision/train/loss"] for line in lines(tmp_path)] == [1.0, 3.0]
    assert capsys.readouterr() == ("", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is Linux's")
def test_a_disk_that_fills_up_between_two_writes_is_said_at_the_end(tmp_path):
    metrics = Metrics(tmp_path)
    metrics.log("vision", 0, {"vision/train/loss": 1.0})
    with Path("/dev/full").open("wb") as full:
        os.dup2(full.fileno(), metrics._writers["vision"]._file.fileno())
    metrics.log("vision", 1, {"vision/train/loss": 1.0})
    with pytest.raises(UserError, match="No space left"):
        metrics.close()
    metrics.close()


def test_unwritable_run_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        Metrics(tmp_path / "file")
