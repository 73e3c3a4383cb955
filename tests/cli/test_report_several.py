"""`reverie report` of several runs."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from reverie.cli.main import main
from reverie.run import settings
from reverie.run.evaluations import keep
from reverie.run.folder import RunFolder
from tests.evaluations import EVALUATION

FOUND = replace(EVALUATION, mean=700.0, std=0.0, ci95=(700.0, 700.0), returns=(700.0, 700.0, 750.0))
"""Of tracks 1 to 3, on which the tiny run has 800, 800 and 900."""


def another(run: RunFolder, path: Path, *overrides: str) -> RunFolder:
    shutil.copytree(run.path, path)
    twin = RunFolder.open(path)
    twin.save_recipe(settings.load(str(path / "recipe.toml"), list(overrides)))
    return RunFolder.open(path)


def texts(html: str) -> str:
    """What stands in cells, apart by |."""
    return re.sub(r"<[^>]+>", "", re.sub(r"</t[dh]>", "|", html))


def test_several_runs_are_put_side_by_side(
    tiny_run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = another(tiny_run, tmp_path / "other", "vision.epochs=7")
    other.forget("evaluate")
    keep(other, FOUND, other.agent_digest)
    for run in (tiny_run, other):
        keep(
            run,
            replace(FOUND, renderer="fast", challenge="blob", num_tracks=2, returns=(100.0, 300.0)),
            run.agent_digest,
        )
    path, pictures = tmp_path / "page.html", tmp_path / "pictures"
    runs = [f"mine={tiny_run.path}", f"long={other.path}"]
    command = ["report", *runs, "--output", str(path), "--pictures", str(pictures), "--quiet", "--json"]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {
        "runs": [str(tiny_run.path), str(other.path)],
        "report": str(path),
        "bytes": path.stat().st_size,
    }
    html = path.read_text()
    said = texts(html)
    assert "|mine|long|" in said
    assert "vision.epochs|2|7|" in said
    assert "On the 3 tracks that all of them drove, drawn by gymnasium" in said
    assert "mine|833 [690, 977]|58|800||" in said
    assert "long|717 [645, 788]|29|700|-117 [-188, -45]|" in said  # -100, -100, -150: -116.7 +- 4.303 * 16.7
    assert "3|900|750|" in said  # the track on which they differ most
    assert "blob|a red blob beside the car|2, drawn by fast|200 [-1071, 1471]|200 [-1071, 1471]|" in said
    assert {one.name for one in pictures.iterdir()} == {"scores.png", "tracks.png", "learning.png"}
    assert html.count("<img") == 3
    assert not re.search(r'(src|href)="(?!data:)', html)


def test_seeds_are_told_apart_and_nothing_is_driven(
    tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    other = another(tiny_run, tmp_path / "other", "seed=1")
    other.forget("evaluate")
    assert main(["report", str(tiny_run.path), str(other.path), "--quiet"]) == 0
    assert "report.html: open it in a browser" in capsys.readouterr().out
    said = texts((tmp_path / "report.html").read_text())
    assert "|seed 0|seed 1|" in said
    assert "|800 [670, 930]|not measured|" in said
    assert "There is no track that all of them were measured on" in said
    assert not other.evaluations.exists()


def test_runs_of_different_worlds_are_refused(
    tiny_run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = another(tiny_run, tmp_path / "other", "env.action_repeat=2")
    output = tmp_path / "page.html"
    assert main(["report", str(tiny_run.path), str(other.path), "--output", str(output)]) == 1
    error = capsys.readouterr().err
    assert f"{other.path} drives CarRacing-v3 with env.action_repeat = 2" in error
    assert error.count("\n") == 1
    assert not output.exists()
    other.forget("controller")
    assert main(["report", str(tiny_run.path), str(other.path), "--output", str(output)]) == 1
    assert "has not finished its stage controller" in capsys.readouterr().err
    assert main(["report"]) == 2
    assert "which run?" in capsys.readouterr().err
