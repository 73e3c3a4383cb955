"""What a run came to."""

import json

import pytest

from reverie.run.folder import RunFolder
from reverie.run.stages import STAGES
from reverie.training.pictures import draw_pictures
from reverie.training.stage_clock import StageClock
from reverie.training.summary import duration, score_text, show, summarise


def test_summary_adds_up(tiny_run: RunFolder):
    tiny_run.stage("vision")["seconds"] = 90.0
    tiny_run.stage("controller")["seconds"] = 30.0
    rest = sum(tiny_run.stage(name)["seconds"] for name in STAGES) - 120
    found = json.loads(json.dumps(summarise(tiny_run), allow_nan=False))
    assert found["run"] == str(tiny_run.path)
    assert found["recipe"] == "debug"
    assert found["minutes"] == pytest.approx(2 + rest / 60, abs=0.001)
    assert found["frames"] == 480 + 576
    assert found["evaluation"]["mean"] == 800
    assert found["evaluation"]["ci95"] == [670, 930]
    assert list(found["stages"]) == list(STAGES)
    assert found["stages"]["vision"]["facts"] == {"held_out_mean_squared_error": 0.0123}
    assert found["complete"] is False
    assert found["pictures"] == []


def test_complete_with_pictures(tiny_run: RunFolder):
    clock = StageClock(tiny_run, "pictures")
    clock.done(draw_pictures(tiny_run), {})
    found = summarise(RunFolder.open(tiny_run.path))
    assert found["complete"] is True
    assert len(found["pictures"]) == 4


def test_summary_of_a_run_that_has_just_begun_changes_nothing(tiny_run: RunFolder):
    tiny_run.forget("collect")
    found = summarise(tiny_run)
    assert found["evaluation"] is None
    assert (found["minutes"], found["frames"]) == (0, 0)
    assert tiny_run.manifest["stages"] == {}


def test_show_says_what_to_do_next(tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]):
    show(tiny_run)
    text = capsys.readouterr().out
    assert "800.0, 95% interval [670, 930], 4 unseen tracks of CarRacing-v3" in text
    assert "1,056 simulator frames" in text
    assert f"next: reverie train --run {tiny_run.path}" in text
    StageClock(tiny_run, "pictures").done(draw_pictures(tiny_run), {})
    show(tiny_run)
    text = capsys.readouterr().out
    assert f"next: reverie watch {tiny_run.path}" in text
    assert str(tiny_run.pictures) in text


def test_score_text():
    assert score_text(None) == "not evaluated yet"
    single = {"mean": 12.345, "ci95": None, "num_tracks": 1, "env_id": "CarRacing-v3"}
    assert score_text(single) == "12.3, no interval, a single unseen track of CarRacing-v3"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, ""), (0.44, "0.4 s"), (12.4, "12 s"), (59.7, "1 min 00 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")],
)
def test_duration(seconds: float, text: str):
    assert duration(seconds) == text


def test_facts_are_in_words_and_what_is_empty_is_left_out(
    tiny_run: RunFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "200")
    tiny_run.stage("collect")["forerunner_minutes"] = 16.5
    tiny_run.stage("vision")["held_out_collapse"] = ""
    show(tiny_run)
    said = capsys.readouterr().out
    assert "scout's minutes 16.5" in said
    assert "forerunner" not in said
    assert "collapse" not in said
