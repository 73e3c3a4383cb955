"""`reverie compare`."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reverie.checkpoint import file_sha256
from reverie.cli.main import main
from reverie.measure.truth.judges import NUM_FEATURES
from reverie.models.files import load_memory, save_memory
from reverie.reading import read_json
from reverie.run import settings
from reverie.run.folder import RunFolder
from reverie.studies import compare


class Judges:
    """Reads something off the pixels."""

    def _pixels(self, frames: np.ndarray, num: int) -> np.ndarray:
        flat = np.asarray(frames).reshape(len(frames), 64 * 64 * 3).astype(np.float32) / 255
        return flat[:, :: flat.shape[1] // num][:, :num]

    def state(self, frames: np.ndarray) -> np.ndarray:
        return self._pixels(frames, 3)

    def attributes(self, frames: np.ndarray) -> np.ndarray:
        return self._pixels(frames, 6)

    def features(self, frames: np.ndarray) -> np.ndarray:
        return self._pixels(frames, NUM_FEATURES)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("reverie.measure.truth.judges.load_judges", lambda **_: Judges())
    monkeypatch.setattr("reverie.studies.compare.TRAINING_TRACKS_USED", 6)
    monkeypatch.setattr("reverie.studies.compare.TUNING_TRACKS", 3)
    monkeypatch.setattr("reverie.studies.compare.DRIVES", 2)
    monkeypatch.setattr("reverie.measure.vision.arithmetic.SCALES", (1.0, 2.0))
    monkeypatch.setattr("reverie.measure.dream.horizon.HORIZONS", (1, 3))
    monkeypatch.setattr("reverie.studies.compare_report.HORIZONS", (1, 3))
    monkeypatch.setattr("reverie.measure.dream.horizon.CONTEXT", 2)
    monkeypatch.setattr("reverie.measure.dream.horizon._LENGTH", 5)


def another(run: RunFolder, path: Path, *overrides: str) -> RunFolder:
    shutil.copytree(run.path, path)
    twin = RunFolder.open(path)
    twin.save_recipe(settings.load(str(path / "recipe.toml"), list(overrides)))
    return twin


def test_runs_side_by_side(tiny_run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    twin = another(tiny_run, tmp_path / "twin", "seed=1")
    other = another(tiny_run, tmp_path / "other", "vision.epochs=7")
    output = tmp_path / "found"
    runs = [str(run.path) for run in (tiny_run, other, twin)]
    command = ["compare", *runs, "--tracks", "6", "--scores", "4", "--output", str(output), "--quiet"]
    assert main(command) == 0
    out = capsys.readouterr().out
    text = (output / "comparison.md").read_text()
    assert text.splitlines()[0] in out
    assert "| seeds | 0, 1 | 0 |" in text
    score = "| score, 4 test tracks | higher |  | 800.0 ± 0 | 800.0 | 0 [0, 0] | no clear difference |"
    assert text.index(score) < text.index("| seeds |")  # first of all
    assert "| vision.epochs | 2 | 7 |" in text
    assert "dream, offset error after 3" in text
    numbers = read_json(output / "comparison.json")
    assert numbers["groups"] == {"epochs 2": [runs[0], runs[2]], "epochs 7": [runs[1]]}
    assert [run["run"] for run in numbers["runs"]] == runs
    assert numbers["runs"][0]["fidelity"] == numbers["runs"][2]["fidelity"]  # the same V, on the same frames
    with Image.open(output / "comparison.png") as image:
        assert image.size[0] > 500
    assert (output / "scores.png").exists()
    assert not any(run.evaluations.exists() for run in (tiny_run, twin, other))  # nothing had to be driven


def test_what_was_not_evaluated_is_driven_and_kept(tiny_run: RunFolder, tmp_path: Path):
    other = another(tiny_run, tmp_path / "other")
    other.forget("evaluate")
    otherwise = ["--renderer", "fast", "--workers", "0", "--quiet"]
    for run, challenge, tracks in ((tiny_run, "blob", "2"), (other, "blob", "3"), (other, "bars", "2")):
        command = ["evaluate", str(run.path), "--challenge", challenge, "--tracks", tracks]
        assert main([*command, *otherwise]) == 0
    output = tmp_path / "found"
    runs = [f"one={tiny_run.path}", f"two={other.path}"]
    options = ["--tracks", "6", "--scores", "5", "--workers", "0", "--output", str(output), "--quiet"]
    assert main(["compare", *runs, *options]) == 0
    text = (output / "comparison.md").read_text()
    assert "| one | two | two - one | two is |" in text
    numbers = read_json(output / "comparison.json")
    assert numbers["groups"] == {"one": [str(tiny_run.path)], "two": [str(other.path)]}
    named = "| score, challenge blob, 2 test tracks drawn by fast | higher |  | "
    assert named in text
    assert "challenge bars" not in text  # only one of them has driven so
    assert [len(one["challenged"][0]["returns"]) for one in numbers["runs"]] == [2, 2]
    first, second = (one["returns"] for one in numbers["runs"])
    assert first[:4] == [700.0, 800.0, 800.0, 900.0]  # read; the fifth was driven
    assert first[4] == second[4]  # the same agent on the same track
    assert sorted(path.name for path in tiny_run.evaluations.iterdir()) == [
        "fast_2_from_0_blob.json",
        "gymnasium_1_from_4.json",
    ]
    assert "gymnasium_5_from_0.json" in {path.name for path in other.evaluations.iterdir()}


def test_what_runs_share_is_measured_once(tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """V and M of a fork that keeps its source's, and M of one that keeps its V."""
    twin, other = (another(tiny_run, tmp_path / name, "seed=1") for name in ("twin", "other"))
    memory = load_memory(other.memory)
    with torch.no_grad():
        for weights in memory.parameters():
            weights += 0.1
    save_memory(other.memory, memory, vision_sha256=file_sha256(other.vision))
    other.stage("memory")["files"]["memory.safetensors"] = file_sha256(other.memory)
    other.write_manifest()
    measured: list[str] = []
    for name in ("measure_fidelity", "measure_arithmetic", "measure_dream"):
        measure = getattr(compare, name)
        monkeypatch.setattr(compare, name, partial(_counted, measured, measure))
    runs = [f"{name}={run.path}" for name, run in (("one", tiny_run), ("two", other), ("three", twin))]
    options = ["--tracks", "6", "--scores", "0", "--output", str(tmp_path / "found"), "--quiet"]
    assert main(["compare", *runs, *options]) == 0
    assert sorted(measured) == ["measure_arithmetic", "measure_dream", "measure_dream", "measure_fidelity"]
    one, two, three = read_json(tmp_path / "found" / "comparison.json")["runs"]
    assert one["fidelity"] == two["fidelity"] == three["fidelity"]
    assert one["dream"] == three["dream"] != two["dream"]


def _counted(measured: list[str], measure: Callable[..., Any], *arguments: Any) -> Any:
    measured.append(measure.__name__)
    return measure(*arguments)


def test_v_alone_is_enough(tiny_run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    other = another(tiny_run, tmp_path / "other", "vision.epochs=7")
    for run in (tiny_run, other):
        run.forget("encode")
    command = ["compare", str(tiny_run.path), str(other.path), "--tracks", "6", "--output", str(tmp_path / "o")]
    assert main([*command, "--quiet", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "dream" not in Path(found["table"]).read_text()
    assert read_json(Path(found["numbers"]))["runs"][0]["dream"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["RUN"], "give two runs or more"),
        (["RUN", "RUN", "--tracks", "2"], "--tracks 2: give 3 or more"),
        (["RUN", "nowhere"], "there is no run in nowhere"),
        (["RUN", "a="], "a=: give NAME=RUN"),
        (["RUN", "RUN", "--workers", "many"], "--workers many"),
    ],
)
def test_mistakes(arguments: list[str], said: str, tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]):
    arguments = [str(tiny_run.path) if word == "RUN" else word for word in arguments]
    assert main(["compare", *arguments, "--quiet"]) != 0
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
