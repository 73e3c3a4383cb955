"""`reverie inspect`."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reverie.cli.main import main
from reverie.measure.truth.labelled import ATTRIBUTES
from reverie.reading import read_json
from reverie.run.folder import RunFolder

PICTURES = ["comparison", "informative", "latent_grid", "traversal", "interpolation", "edits", "samples"]


class Judges:
    """Reads something off the pixels."""

    def attributes(self, frames: np.ndarray) -> np.ndarray:
        return frames.reshape(len(frames), 64 * 64 * 3)[:, :: 64 * 32][:, : len(ATTRIBUTES)] / 255.0


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("reverie.measure.truth.judges.load_judges", lambda **_: Judges())
    monkeypatch.setattr("reverie.studies.inspect.TRAINING_TRACKS_USED", 6)
    monkeypatch.setattr("reverie.measure.vision.arithmetic.SCALES", (1.0, 2.0))


def test_pictures_and_numbers_of_a_run_that_has_v_alone(tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]):
    tiny_run.forget("encode")
    assert main(["inspect", str(tiny_run.path), "--tracks", "3", "--dims", "1", "0", "--quiet", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    folder = tiny_run.path / "inspect"
    assert found["pictures"] == [str(folder / f"{name}.png") for name in PICTURES]
    for path in found["pictures"]:
        with Image.open(path) as image:
            assert image.size[0] > 500
    numbers = read_json(folder / "arithmetic.json")
    assert numbers["scores"] == found["arithmetic"]["scores"]
    assert numbers["split"] == "validation"
    assert [score["attribute"] for score in numbers["scores"][::2]] == list(ATTRIBUTES)


def test_table_for_people_into_a_folder_of_their_choice(
    tiny_run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    output = tmp_path / "deep" / "pictures"
    assert main(["inspect", str(tiny_run.path), "--tracks", "3", "--split", "test", "--output", str(output)]) == 0
    out, err = capsys.readouterr()
    assert str(output) in out
    assert all(name in out for name in ATTRIBUTES)
    assert "steps" in err
    assert not (tiny_run.path / "inspect").exists()
    assert read_json(output / "arithmetic.json")["split"] == "test"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--dims", "0", "99"], "there is no dimension 99"),
        (["--dims", "-1", "0"], "there is no dimension -1"),
        (["--dims", "1", "1"], "given twice"),
        (["--tracks", "0"], "--tracks 0: give 1 or more"),
        (["--split", "training"], "--split"),
    ],
)
def test_mistakes(tiny_run: RunFolder, options: list[str], says: str, capsys: pytest.CaptureFixture[str]):
    assert main(["inspect", str(tiny_run.path), *options]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_a_file_as_output(tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]):
    assert main(["inspect", str(tiny_run.path), "--output", str(tiny_run.vision)]) == 2
    assert "name a folder" in capsys.readouterr().err


def test_a_run_without_v(tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]):
    tiny_run.forget("vision")
    assert main(["inspect", str(tiny_run.path)]) == 1
    assert "has not finished its stage vision" in capsys.readouterr().err


def test_another_environment(tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]):
    tiny_run.save_recipe(replace(tiny_run.recipe, env=replace(tiny_run.recipe.env, id="Pendulum-v1")))
    assert main(["inspect", str(tiny_run.path)]) == 1
    assert "only CarRacing-v3 says what is true of its scenes" in capsys.readouterr().err
