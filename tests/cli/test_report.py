"""`reverie report`."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from reverie.cli.main import main
from reverie.errors import UserError
from reverie.measure.dream.trust import Trust
from reverie.run.evaluations import keep
from reverie.run.folder import RunFolder
from reverie.show.canvas import Canvas
from reverie.studies import report_words as words
from reverie.studies import robustness
from tests.evaluations import EVALUATION

LARGEST = 8_000_000


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reverie.studies.report.BEGINS", range(4, 7, 2))
    monkeypatch.setattr("reverie.studies.report.HORIZON", 5)
    monkeypatch.setattr("reverie.studies.report.FILMED", 4)


def test_the_page_says_what_was_measured_and_needs_nothing_else(
    tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tiny_run.path), "--quiet"]) == 0
    assert str(tiny_run.report) in capsys.readouterr().out
    html = tiny_run.report.read_text()
    assert tiny_run.report.stat().st_size < LARGEST
    assert "this agent scores 800 on average, with a 95% interval of 670 to 930; 900 counts as solved" in html
    assert words.trust_sentence(Trust(dream=(1,), still=(1,), usual=(1,), decisions=0), 12.5) in html
    assert f"<td>0</td><td>700</td><td>reverie watch {tiny_run.path} --track 0</td>" in html  # the worst one
    assert "reverie train debug --run runs/again --set env.max_frames=24" in html
    assert (html.count("<img"), html.count("<video")) == (5, 1)
    assert not re.search(r'(src|href)="(?!data:)', html)
    tiny_run.forget("controller")
    assert not tiny_run.report.exists()  # it was of another C


def test_json_and_a_place_of_ones_own(tiny_run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_run.forget("evaluate")
    tiny_run.pictures.mkdir(exist_ok=True)
    Canvas(8, 8).save(tiny_run.pictures / "learning_curve.png")
    path = tmp_path / "page.html"
    kept = ["--pictures", str(tmp_path / "pictures")]
    assert main(["report", str(tiny_run.path), "--output", str(path), *kept, "--quiet", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {"run": str(tiny_run.path), "report": str(path), "bytes": path.stat().st_size}
    assert "Nobody has measured yet" in path.read_text()
    assert f"reverie evaluate {tiny_run.path} --challenge colour --renderer fast" in path.read_text()
    assert {one.name for one in (tmp_path / "pictures").iterdir()} == {
        *("seen.png", "moved.png", "trust.png", "film.mp4", "challenges.png", "learning_curve.png")
    }


def test_it_computes_on_one_thread_and_leaves_the_others_as_they_were(
    tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, seen = torch.get_num_threads(), []

    def see(*_: object) -> None:
        seen.append(torch.get_num_threads())
        raise UserError("seen enough")

    monkeypatch.setattr("reverie.studies.report._see", see)
    torch.set_num_threads(3)
    try:
        assert main(["report", str(tiny_run.path), "--quiet"]) == 1
        assert (seen, torch.get_num_threads()) == ([1], 3)
    finally:
        torch.set_num_threads(before)


def test_challenges_stand_beside_what_others_had(tiny_run: RunFolder) -> None:
    evaluation = replace(EVALUATION, challenge="bars")
    keep(tiny_run, evaluation, tiny_run.agent_digest)
    keep(
        tiny_run, replace(evaluation, num_tracks=2, returns=(0.0, 0.0), mean=0.0), tiny_run.agent_digest
    )  # on fewer tracks: not shown
    keep(
        tiny_run, replace(evaluation, renderer="fast", challenge="noise", mean=-50.0, ci95=None), tiny_run.agent_digest
    )
    head, bars, noise = robustness.table(tiny_run)
    assert head[-2:] == ["World Models", "AttentionAgent"]
    what = "black bars left and right"
    where = "3, drawn by gymnasium"
    assert bars == [
        "bars",
        what,
        where,
        "300 [52, 548]",
        "100",
        "833",
        "166 ± 137",
        "900 ± 35",
    ]  # 800, 800, 900 as it is
    assert noise[2:] == ["3, drawn by fast", "-50", "100", "not measured", "", "-58 ± 12"]


def test_mistakes(tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tiny_run.path), "--output", "page.pdf"]) == 2
    assert "give a name that ends in .html" in capsys.readouterr().err
    assert main(["report", str(tiny_run.path), "--pictures", str(tiny_run.vision)]) == 2
    assert "is a file: name a folder" in capsys.readouterr().err
    tiny_run.forget("controller")
    assert main(["report", str(tiny_run.path), "--quiet"]) == 1
    assert "has not finished its stage controller" in capsys.readouterr().err


def test_the_commands_that_make_it_again_look_at_what_they_made() -> None:
    install, *train, evaluate, watch = words.rerun(RunFolder.open("pretrained")).splitlines()
    assert install.startswith("pip install -c constraints.txt . ")
    assert train == [
        "reverie train marathon --run runs/again \\",
        "    --set seed=2 \\",
        "    --set controller.search.generations=1000 \\",
        "    --set controller.search.minutes=90.0",
    ]
    assert (evaluate, watch) == ("reverie evaluate runs/again --tracks 100", "reverie watch runs/again")


@pytest.mark.parametrize(
    ("decisions", "said"),
    [(0, "not sure"), (5, "for about 0.4\u00a0s"), (10, "for 0.8\u00a0s at least")],
)
def test_how_long_a_dream_can_be_trusted_is_said_in_seconds(decisions: int, said: str) -> None:
    some = (1.0,) * 10
    assert said in words.trust_sentence(Trust(dream=some, still=some, usual=some, decisions=decisions), 12.5)
    assert "could not be measured" in words.trust_sentence(None, 12.5)


def test_a_column_that_would_be_empty_is_left_out() -> None:
    for name, last in (("pretrained", "frames of the simulator"), ("dreamt", "decisions dreamt")):
        rows = words.costs(RunFolder.open(name))
        assert rows[0][-1] == last
        assert {len(row) for row in rows} == {len(rows[0])}


def test_what_was_done_is_told_in_the_order_in_which_it_was(tiny_run: RunFolder) -> None:
    told = words.steps(tiny_run)
    assert [one.split()[0].strip(":,") for one in told] == ["Drive", "V", "M", "C"]
    assert "10 drives were kept, driven by chance" in told[0]
    assert "as 8 numbers" in told[1]
    pretrained = words.steps(RunFolder.open("pretrained"))
    assert "500 by an agent" in pretrained[0]
    assert "132 times 64 candidates" in pretrained[3], "its search ended early: the recipe allows 1,000"
    assert "in M's dreams alone" in words.steps(RunFolder.open("dreamt"))[3]
